import { useParams } from 'react-router-dom';
import { codeBuild } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { Facts, Json } from '../../parts/Facts';
import { LogLines } from '../../parts/LogLines';
import { below } from '../../parts/listing';
import { time } from '../../parts/names';
import { Page } from '../../parts/Page';
import { PageTabs } from '../../parts/PageTabs';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';

export default function BuildPage() {
  const { project = '', id = '' } = useParams();
  const { data, error } = useLive(['codebuild-build', id], async () => (await codeBuild.batchGetBuilds({ ids: [id] })).builds?.[0]);
  const { groupName, streamName } = data?.logs ?? {};
  return (
    <Page
      title={id.split(':')[1] ?? id}
      crumbs={[
        ['Build projects', '/codebuild'],
        [project, below('/codebuild', project)],
      ]}
      error={error}
      actions={<Confirm verb="Stop" what={`build ${data?.buildNumber ?? ''}`} disabled={data?.buildStatus !== 'IN_PROGRESS'} action={() => codeBuild.stopBuild({ id })} />}
    >
      <Facts
        facts={[
          ['Status', <Status key="s" state={data?.buildStatus} />],
          ['Phase', data?.currentPhase],
          ['Begun', time(data?.startTime)],
          ['Ended', time(data?.endTime)],
        ]}
      />
      <PageTabs
        label="Build"
        tabs={[
          { id: 'log', label: 'Log', content: groupName && streamName ? <LogLines group={groupName} streams={[streamName]} minutes={24 * 60} /> : 'There is no log yet.' },
          {
            id: 'phases',
            label: 'Phases',
            content: (
              <Rows
                title="Phases"
                live={{ data: data?.phases, loading: !data, error: undefined }}
                id={(p) => p.phaseType ?? ''}
                columns={[
                  { header: 'Phase', cell: (p) => p.phaseType },
                  { header: 'Status', cell: (p) => <Status state={p.phaseStatus} /> },
                  { header: 'Seconds', cell: (p) => p.durationInSeconds ?? '–' },
                  { header: 'Begun', cell: (p) => time(p.startTime), width: 180 },
                  { header: 'Why', cell: (p) => p.contexts?.map((c) => c.message).join(' ') || '–', width: 320 },
                ]}
              />
            ),
          },
          { id: 'json', label: 'JSON', content: <Json value={data} /> },
        ]}
      />
    </Page>
  );
}
