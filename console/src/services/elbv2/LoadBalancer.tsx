import type { LoadBalancer } from '@aws-sdk/client-elastic-load-balancing-v2';
import { ColumnLayout, Container, Header } from '@cloudscape-design/components';
import { elbv2 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { Graph } from '../../parts/Graph';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';
import { actionOf, conditionOf, picture, targetGroups, targetsOf } from './ask';
import { Drawing } from './Drawing';

export default detailPage({
  from: ['Load balancers', '/load-balancers'],
  key: 'elbv2-balancer',
  get: async (name) => (await elbv2.describeLoadBalancers({ Names: [name] })).LoadBalancers?.[0],
  facts: (b) => [
    ['State', <Status key="s" state={b.State?.Code} why={b.State?.Reason} />],
    ['Type', `${b.Type}, ${b.Scheme}`],
    ['DNS name', <Copied key="d" text={b.DNSName} />],
    ['VPC', b.VpcId],
    ['Zones', b.AvailabilityZones?.map((z) => z.ZoneName).join(', ')],
    ['Security groups', b.SecurityGroups?.join(', ')],
    ['ARN', <Copied key="a" text={b.LoadBalancerArn} />],
  ],
  tabs: (b) => [
    { id: 'picture', label: 'Picture', content: <Picture balancer={b} /> },
    { id: 'rules', label: 'Listeners and rules', content: <RuleRows balancer={b} /> },
    { id: 'metrics', label: 'Metrics', content: <Metrics balancer={b} /> },
  ],
  actions: (b, name, leave) => (
    <Confirm
      verb="Delete"
      what={name}
      typed
      consequence="Its listeners go with it; its target groups stay."
      action={() => elbv2.deleteLoadBalancer({ LoadBalancerArn: b.LoadBalancerArn })}
      onDone={leave}
    />
  ),
});

const usePicture = (arn = '') => useLive(['elbv2-picture', arn], () => picture(arn));

function Picture({ balancer }: { balancer: LoadBalancer }) {
  const { data } = usePicture(balancer.LoadBalancerArn);
  return <Container header={<Header variant="h2">From listener to target</Header>}>{data && <Drawing picture={data} />}</Container>;
}

function RuleRows({ balancer }: { balancer: LoadBalancer }) {
  const arn = balancer.LoadBalancerArn ?? '';
  const live = usePicture(arn);
  const groups = useLive(['elbv2-groups'], targetGroups);
  const arnOf = (name: string) => groups.data?.find((g) => g.TargetGroupName === name)?.TargetGroupArn;
  const names = (groups.data ?? []).map((g) => g.TargetGroupName ?? '');
  const listeners = (live.data?.listeners ?? []).map((l) => l.listener);
  const rows = live.data?.listeners.flatMap(({ listener, rules }) => rules.map((rule) => ({ listener, rule })));
  const label = (l: { Protocol?: string; Port?: number }) => `${l.Protocol}:${l.Port}`;
  return (
    <Rows
      title="Rules"
      live={{ ...live, data: rows }}
      id={({ rule }) => rule.RuleArn ?? ''}
      choose="single"
      empty="No listener yet: nothing is answered."
      actions={([chosen]) => (
        <>
          <Confirm
            verb="Delete"
            what={chosen ? (chosen.rule.IsDefault ? `listener ${label(chosen.listener)}` : `rule ${chosen.rule.Priority}`) : ''}
            disabled={!chosen}
            consequence={chosen?.rule.IsDefault ? 'The default rule goes with its listener, and all other rules of it too.' : undefined}
            action={() =>
              chosen.rule.IsDefault ? elbv2.deleteListener({ ListenerArn: chosen.listener.ListenerArn }) : elbv2.deleteRule({ RuleArn: chosen.rule.RuleArn })
            }
          />
          <Ask
            verb="Change weights"
            title="Change weights"
            disabled={!chosen || !chosen.rule.Actions?.some((a) => targetsOf(a).length > 0)}
            fields={(chosen?.rule.Actions ?? []).flatMap(targetsOf).map((t) => ({ name: t.arn, label: t.arn.split('/')[1], kind: 'number' as const, value: String(t.share) }))}
            action={(weights) => {
              const forward = { Type: 'forward' as const, ForwardConfig: { TargetGroups: Object.entries(weights).map(([arn, weight]) => ({ TargetGroupArn: arn, Weight: Number(weight) })) } };
              return chosen.rule.IsDefault
                ? elbv2.modifyListener({ ListenerArn: chosen.listener.ListenerArn, DefaultActions: [forward] })
                : elbv2.modifyRule({ RuleArn: chosen.rule.RuleArn, Actions: [forward] });
            }}
          />
          <Ask
            verb="Create listener"
            title="Create listener"
            fields={[
              { name: 'Port', label: 'Port', kind: 'number', value: '80' },
              { name: 'group', label: 'Forward to', kind: { options: names } },
            ]}
            action={({ Port, group }) =>
              elbv2.createListener({
                LoadBalancerArn: arn,
                Protocol: balancer.Type === 'network' ? 'TCP' : 'HTTP',
                Port: Number(Port),
                DefaultActions: [{ Type: 'forward', TargetGroupArn: arnOf(group) }],
              })
            }
          />
          <Ask
            primary
            verb="Create rule"
            title="Create rule"
            disabled={listeners.length === 0 || balancer.Type === 'network'}
            fields={[
              { name: 'listener', label: 'Listener', kind: { options: listeners.map(label) }, value: listeners[0] && label(listeners[0]) },
              { name: 'Priority', label: 'Priority', kind: 'number', value: '10', hint: 'The lowest goes first.' },
              { name: 'Field', label: 'Condition', kind: { options: ['path-pattern', 'host-header'] }, value: 'path-pattern' },
              { name: 'value', label: 'Value', value: '/api/*' },
              { name: 'group', label: 'Forward to', kind: { options: names } },
            ]}
            action={({ listener, Priority, Field, value, group }) =>
              elbv2.createRule({
                ListenerArn: listeners.find((l) => label(l) === listener)?.ListenerArn,
                Priority: Number(Priority),
                Conditions: [{ Field, Values: [value] }],
                Actions: [{ Type: 'forward', TargetGroupArn: arnOf(group) }],
              })
            }
          />
        </>
      )}
      columns={[
        { header: 'Listener', cell: ({ listener }) => label(listener), by: ({ listener }) => label(listener) },
        { header: 'Priority', cell: ({ rule }) => rule.Priority, by: ({ rule }) => Number(rule.Priority) || 99_999 },
        { header: 'If', cell: ({ rule }) => conditionOf(rule), by: ({ rule }) => conditionOf(rule), width: 260 },
        {
          header: 'Then',
          cell: ({ rule }) =>
            (rule.Actions ?? [])
              .map((a) => targetsOf(a).map((t) => `${t.share} % to ${t.arn.split('/')[1]}`).join(', ') || actionOf(a))
              .join(', then '),
          width: 280,
        },
      ]}
    />
  );
}

function Metrics({ balancer }: { balancer: LoadBalancer }) {
  const id = balancer.LoadBalancerArn?.split('loadbalancer/')[1] ?? '';
  const of = (name: string, statistic: string) => [
    { title: name, namespace: balancer.Type === 'network' ? 'AWS/NetworkELB' : 'AWS/ApplicationELB', name, dimensions: { LoadBalancer: id }, statistic },
  ];
  const all =
    balancer.Type === 'network'
      ? [['NewFlowCount', 'Sum'], ['ActiveFlowCount', 'Average'], ['ProcessedBytes', 'Sum']]
      : [['RequestCount', 'Sum'], ['TargetResponseTime', 'Average'], ['HTTPCode_Target_2XX_Count', 'Sum'], ['HTTPCode_ELB_5XX_Count', 'Sum']];
  return (
    <ColumnLayout columns={2}>
      {all.map(([name, statistic]) => (
        <Container key={name} header={<Header variant="h3">{name}</Header>}>
          <Graph title={name} metrics={of(name, statistic)} />
        </Container>
      ))}
    </ColumnLayout>
  );
}
