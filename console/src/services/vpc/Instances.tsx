import { ec2 } from '../../aws/clients';
import { everything } from '../../aws/live';
import { listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Instances',
  noun: 'Instance',
  key: 'ec2-instances',
  list: () =>
    everything(async (NextToken) => {
      const page = await ec2.describeInstances({ NextToken });
      return { items: page.Reservations?.flatMap((r) => r.Instances ?? []), next: page.NextToken };
    }),
  id: (i) => i.InstanceId ?? '',
  columns: [
    { header: 'State', cell: (i) => <Status state={i.State?.Name} />, by: (i) => i.State?.Name },
    { header: 'Type', cell: (i) => i.InstanceType, by: (i) => i.InstanceType },
    { header: 'Private address', cell: (i) => i.PrivateIpAddress ?? '–', by: (i) => i.PrivateIpAddress },
    { header: 'Subnet', cell: (i) => i.SubnetId, by: (i) => i.SubnetId, width: 190 },
    { header: 'Launched', cell: (i) => time(i.LaunchTime), by: (i) => i.LaunchTime?.getTime(), width: 180 },
  ],
  remove: { verb: 'Terminate', go: (i) => ec2.terminateInstances({ InstanceIds: [i.InstanceId ?? ''] }) },
  empty: 'No instances. Fargate needs none; an Auto Scaling group or `neargate instance` makes them.',
});
