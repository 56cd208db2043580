import { useLive } from '../../aws/live';
import { NavigateButton } from '../../parts/NavigateButton';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { To } from '../../parts/To';
import { families } from './ask';
import { taskDefinitionHref } from './hrefs';

export default function TaskDefinitions() {
  const live = useLive(['ecs', 'families'], families);
  return (
    <Page title="Task definitions" bare error={live.error}>
      <Rows
        full
        title="Task definitions"
        live={live}
        id={(family) => family}
        actions={
          <NavigateButton primary href="/ecs/task-definitions/create">
            Create task definition
          </NavigateButton>
        }
        columns={[{ header: 'Family', cell: (family) => <To href={taskDefinitionHref(family)}>{family}</To>, by: (family) => family }]}
      />
    </Page>
  );
}
