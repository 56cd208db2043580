import { autoScaling } from '../../aws/clients';
import { everything } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { listPage } from '../../parts/listing';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Auto Scaling groups',
  noun: 'Group',
  key: 'autoscaling-groups',
  list: () =>
    everything(async (NextToken) => {
      const page = await autoScaling.describeAutoScalingGroups({ NextToken });
      return { items: page.AutoScalingGroups, next: page.NextToken };
    }),
  id: (g) => g.AutoScalingGroupName ?? '',
  columns: [
    { header: 'Desired', cell: (g) => g.DesiredCapacity, by: (g) => g.DesiredCapacity },
    { header: 'Between', cell: (g) => `${g.MinSize} and ${g.MaxSize}` },
    { header: 'In service', cell: (g) => g.Instances?.filter((i) => i.LifecycleState === 'InService').length ?? 0 },
    { header: 'Instances', cell: (g) => g.Instances?.map((i) => <div key={i.InstanceId}><Status state={i.LifecycleState} why={i.InstanceId} /></div>), width: 280 },
    { header: 'Launch template', cell: (g) => g.LaunchTemplate?.LaunchTemplateName ?? g.LaunchConfigurationName ?? '–' },
  ],
  more: ([group]) => (
    <Ask
      key={group?.AutoScalingGroupName}
      verb="Set capacity"
      title={`Capacity of ${group?.AutoScalingGroupName ?? ''}`}
      disabled={!group}
      fields={[{ name: 'desired', label: 'Desired capacity', kind: 'number', value: String(group?.DesiredCapacity ?? '') }]}
      action={({ desired }) => autoScaling.setDesiredCapacity({ AutoScalingGroupName: group.AutoScalingGroupName, DesiredCapacity: Number(desired) })}
    />
  ),
  remove: { consequence: 'Its instances are terminated.', go: (g) => autoScaling.deleteAutoScalingGroup({ AutoScalingGroupName: g.AutoScalingGroupName, ForceDelete: true }) },
  empty: 'No Auto Scaling groups. `aws autoscaling create-auto-scaling-group` makes one of a launch template.',
});
