import { cloudFormation } from '../../aws/clients';
import { everything } from '../../aws/live';

export function stacks() {
  return everything(async (NextToken) => {
    const page = await cloudFormation.describeStacks({ NextToken });
    return { items: page.Stacks, next: page.NextToken };
  });
}
