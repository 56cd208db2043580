import type { IpPermission, NetworkInterface, RouteTable, SecurityGroup, Subnet, Vpc } from '@aws-sdk/client-ec2';
import { ec2 } from '../../aws/clients';
import { everything } from '../../aws/live';

export function securityGroups(): Promise<SecurityGroup[]> {
  return everything(async (NextToken) => {
    const page = await ec2.describeSecurityGroups({ NextToken });
    return { items: page.SecurityGroups, next: page.NextToken };
  });
}

export interface World {
  vpcs: Vpc[];
  subnets: Subnet[];
  tables: RouteTable[];
  interfaces: NetworkInterface[];
  groups: SecurityGroup[];
}

export async function world(): Promise<World> {
  const [vpcs, subnets, tables, interfaces, groups] = await Promise.all([
    ec2.describeVpcs({}),
    ec2.describeSubnets({}),
    ec2.describeRouteTables({}),
    everything(async (NextToken) => {
      const page = await ec2.describeNetworkInterfaces({ NextToken });
      return { items: page.NetworkInterfaces, next: page.NextToken };
    }),
    securityGroups(),
  ]);
  return { vpcs: vpcs.Vpcs ?? [], subnets: subnets.Subnets ?? [], tables: tables.RouteTables ?? [], interfaces, groups };
}

/** The gateways that a subnet's routes lead to. */
export function gateways({ tables }: World, subnet: Subnet): string[] {
  const own = tables.find((t) => t.Associations?.some((a) => a.SubnetId === subnet.SubnetId));
  const main = tables.find((t) => t.VpcId === subnet.VpcId && t.Associations?.some((a) => a.Main));
  return ((own ?? main)?.Routes ?? [])
    .map((r) => ({ to: r.GatewayId ?? r.NatGatewayId ?? r.TransitGatewayId ?? r.VpcPeeringConnectionId, what: r.DestinationCidrBlock ?? r.DestinationIpv6CidrBlock }))
    .filter((r) => r.to && r.to !== 'local')
    .map((r) => `${r.what} by ${r.to}`);
}

/** Whom a rule lets through, in a line. */
export function permissionOf(permission: IpPermission, groups: SecurityGroup[]): string {
  const protocol = permission.IpProtocol === '-1' ? 'everything' : permission.IpProtocol;
  const { FromPort: from, ToPort: to } = permission;
  const ports = from === undefined || permission.IpProtocol === '-1' ? '' : from === to ? ` ${from}` : ` ${from}-${to}`;
  const name = (id: string | undefined) => groups.find((g) => g.GroupId === id)?.GroupName ?? id;
  const peers = [
    ...(permission.IpRanges ?? []).map((r) => r.CidrIp),
    ...(permission.Ipv6Ranges ?? []).map((r) => r.CidrIpv6),
    ...(permission.UserIdGroupPairs ?? []).map((p) => name(p.GroupId)),
    ...(permission.PrefixListIds ?? []).map((p) => p.PrefixListId),
  ];
  return `${protocol}${ports}: ${peers.join(', ')}`;
}
