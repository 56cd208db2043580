// The targets of a service's load balancers, with their health.

import type { Service } from '@aws-sdk/client-ecs';
import { Box, SpaceBetween } from '@cloudscape-design/components';
import { elbv2 } from '../../aws/clients';
import { useLive } from '../../aws/live';
import { shortName } from '../../parts/names';
import { Rows } from '../../parts/Rows';
import { Status } from '../../parts/Status';

export function Targets({ service }: { service: Service | undefined }) {
  const groups = (service?.loadBalancers ?? []).map((lb) => lb.targetGroupArn).filter((arn) => arn !== undefined);
  if (service && groups.length === 0) return <Box>This service is behind no load balancer.</Box>;
  return (
    <SpaceBetween size="l">
      {groups.map((arn) => (
        <GroupTargets key={arn} arn={arn} />
      ))}
    </SpaceBetween>
  );
}

export function GroupTargets({ arn }: { arn: string }) {
  const live = useLive(['elbv2', 'health', arn], async () => (await elbv2.describeTargetHealth({ TargetGroupArn: arn })).TargetHealthDescriptions ?? []);
  return (
    <Rows
      title={arn.split('/')[1] ?? shortName(arn)}
      live={live}
      id={(t) => `${t.Target?.Id}:${t.Target?.Port}`}
      empty="No targets are registered."
      columns={[
        { header: 'Target', cell: (t) => `${t.Target?.Id}:${t.Target?.Port}`, by: (t) => t.Target?.Id, width: 160 },
        { header: 'Health', cell: (t) => <Status state={t.TargetHealth?.State} />, by: (t) => t.TargetHealth?.State },
        { header: 'Zone', cell: (t) => t.Target?.AvailabilityZone ?? '–' },
        { header: 'Why', cell: (t) => t.TargetHealth?.Description ?? t.TargetHealth?.Reason ?? '–', width: 260 },
      ]}
    />
  );
}
