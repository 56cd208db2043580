import { elbv2 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Confirm } from '../../parts/Confirm';
import { Copied, Facts } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { GroupTargets } from '../ecs/Targets';

export default detailPage({
  from: ['Target groups', '/target-groups'],
  key: 'elbv2-group',
  get: async (name) => (await elbv2.describeTargetGroups({ Names: [name] })).TargetGroups?.[0],
  facts: (g) => [
    ['Protocol', `${g.Protocol} ${g.Port ?? ''}`],
    ['Targets are', g.TargetType],
    ['Health check', `${g.HealthCheckProtocol} ${g.HealthCheckPath ?? ''} every ${g.HealthCheckIntervalSeconds} s`],
    ['ARN', <Copied key="a" text={g.TargetGroupArn} />],
  ],
  tabs: (g) => [
    { id: 'targets', label: 'Targets', content: <GroupTargets arn={g.TargetGroupArn ?? ''} /> },
    { id: 'attributes', label: 'Attributes', content: <Attributes arn={g.TargetGroupArn ?? ''} /> },
  ],
  actions: (g, name, leave) => (
    <Confirm verb="Delete" what={name} action={() => elbv2.deleteTargetGroup({ TargetGroupArn: g.TargetGroupArn })} onDone={leave} />
  ),
});

function Attributes({ arn }: { arn: string }) {
  const { data } = useLive(['elbv2-attributes', arn], async () => (await elbv2.describeTargetGroupAttributes({ TargetGroupArn: arn })).Attributes ?? [], 5000);
  return <Facts title="Attributes" columns={2} facts={(data ?? []).map((a) => [a.Key ?? '', a.Value])} />;
}
