import { codePipeline } from '../../aws/clients';
import { everything } from '../../aws/live';

export function pipelines() {
  return everything(async (nextToken) => {
    const page = await codePipeline.listPipelines({ nextToken });
    return { items: page.pipelines, next: page.nextToken };
  });
}
