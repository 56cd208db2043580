import { Button } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { codeBuild } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Copied } from '../../parts/Facts';
import { below, detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { builds } from './ask';

export default detailPage({
  from: ['Build projects', '/codebuild'],
  key: 'codebuild-project',
  get: async (name) => (await codeBuild.batchGetProjects({ names: [name] })).projects?.[0],
  facts: (p) => [
    ['Source', `${p.source?.type} ${p.source?.location ?? ''}`],
    ['Image', p.environment?.image],
    ['Service role', p.serviceRole],
    ['ARN', <Copied key="a" text={p.arn} />],
  ],
  tabs: (_, name) => [{ id: 'builds', label: 'Builds', content: <Builds name={name} /> }],
  actions: (_, name) => (
    <Button variant="primary" onClick={() => void act(`Start build of ${name}`, () => codeBuild.startBuild({ projectName: name }))}>
      Start build
    </Button>
  ),
});

function Builds({ name }: { name: string }) {
  const live = useLive(['codebuild-builds', name], () => builds(name));
  return (
    <Rows
      title="Builds"
      live={live}
      id={(b) => b.id ?? ''}
      empty="Nothing has been built yet."
      columns={[
        { header: 'Build', cell: (b) => <To href={`${below('/codebuild', name)}/builds/${encodeURIComponent(b.id ?? '')}`}>{b.id?.split(':')[1]}</To>, by: (b) => b.id, width: 320 },
        { header: 'Number', cell: (b) => b.buildNumber, by: (b) => b.buildNumber },
        { header: 'Status', cell: (b) => <Status state={b.buildStatus} />, by: (b) => b.buildStatus },
        { header: 'Phase', cell: (b) => b.currentPhase, by: (b) => b.currentPhase },
        { header: 'Begun', cell: (b) => time(b.startTime), by: (b) => b.startTime?.getTime(), width: 180 },
        { header: 'By', cell: (b) => b.initiator, by: (b) => b.initiator },
      ]}
    />
  );
}
