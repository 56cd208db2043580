import type { IpPermission } from '@aws-sdk/client-ec2';
import { ec2 } from '../../aws/clients';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';
import { permissionOf } from './ask';

export default detailPage({
  from: ['Security groups', '/vpc/security-groups'],
  key: 'security-group',
  get: async (id) => (await ec2.describeSecurityGroups({ GroupIds: [id] })).SecurityGroups?.[0],
  title: (g, id) => g?.GroupName ?? id,
  facts: (g) => [
    ['ID', g.GroupId],
    ['VPC', g.VpcId],
    ['Description', g.Description],
  ],
  tabs: (g, id) => [
    { id: 'in', label: 'Inbound rules', content: <Rules id={id} permissions={g.IpPermissions ?? []} inbound /> },
    { id: 'out', label: 'Outbound rules', content: <Rules id={id} permissions={g.IpPermissionsEgress ?? []} /> },
  ],
  actions: (g, id, leave) => (
    <Confirm verb="Delete" what={g.GroupName ?? id} action={() => ec2.deleteSecurityGroup({ GroupId: id })} onDone={leave} />
  ),
});

function Rules({ id, permissions, inbound }: { id: string; permissions: IpPermission[]; inbound?: boolean }) {
  const add = (permission: IpPermission) =>
    inbound
      ? ec2.authorizeSecurityGroupIngress({ GroupId: id, IpPermissions: [permission] })
      : ec2.authorizeSecurityGroupEgress({ GroupId: id, IpPermissions: [permission] });
  const remove = (permission: IpPermission) =>
    inbound
      ? ec2.revokeSecurityGroupIngress({ GroupId: id, IpPermissions: [permission] })
      : ec2.revokeSecurityGroupEgress({ GroupId: id, IpPermissions: [permission] });
  return (
    <Rows
      title={inbound ? 'Inbound rules' : 'Outbound rules'}
      live={{ data: permissions, loading: false, error: undefined }}
      id={(p) => permissionOf(p, [])}
      choose="single"
      empty={inbound ? 'Nobody is let in.' : 'Nothing is let out.'}
      actions={([chosen]) => (
        <>
          <Confirm verb="Revoke" what={chosen ? permissionOf(chosen, []) : ''} disabled={!chosen} action={() => remove(chosen)} />
          <Ask
            primary
            verb="Add rule"
            title="Add rule"
            fields={[
              { name: 'protocol', label: 'Protocol', kind: { options: ['tcp', 'udp', 'icmp', '-1'] }, value: 'tcp' },
              { name: 'from', label: 'From port', kind: 'number', value: '80' },
              { name: 'to', label: 'To port', kind: 'number', value: '80' },
              { name: 'peer', label: inbound ? 'From' : 'To', hint: 'A range, or the ID of a security group.', value: '0.0.0.0/0' },
            ]}
            action={({ protocol, from, to, peer }) =>
              add({
                IpProtocol: protocol,
                ...(protocol === '-1' ? {} : { FromPort: Number(from), ToPort: Number(to) }),
                ...(peer.startsWith('sg-') ? { UserIdGroupPairs: [{ GroupId: peer }] } : peer.includes(':') ? { Ipv6Ranges: [{ CidrIpv6: peer }] } : { IpRanges: [{ CidrIp: peer }] }),
              })
            }
          />
        </>
      )}
      columns={[
        { header: 'Protocol', cell: (p) => (p.IpProtocol === '-1' ? 'everything' : p.IpProtocol) },
        { header: 'Ports', cell: (p) => (p.FromPort === undefined ? 'all' : `${p.FromPort}-${p.ToPort}`) },
        { header: inbound ? 'From' : 'To', cell: (p) => permissionOf(p, []).split(': ').slice(1).join(': '), width: 320 },
      ]}
    />
  );
}
