// A map of each VPC: its subnets with their ways out and what is in them, and who may talk to whom.

import { Badge, Box, Container, Header, SpaceBetween } from '@cloudscape-design/components';
import { useLive } from '../../aws/live';
import { below } from '../../parts/listing';
import { Page } from '../../parts/Page';
import { Rows } from '../../parts/Rows';
import { To } from '../../parts/To';
import { gateways, permissionOf, type World, world } from './ask';

/** More interfaces of a subnet than this are counted. */
const MOST_SHOWN = 8;

export default function VpcMap() {
  const live = useLive(['vpc-world'], world, 2000);
  const { data } = live;
  return (
    <Page title="VPC map" error={live.error}>
      {data?.vpcs.map((vpc) => (
        <Container
          key={vpc.VpcId}
          header={
            <Header variant="h2" description={`${vpc.CidrBlock}${vpc.IsDefault ? ', the default VPC' : ''}`}>
              {vpc.VpcId ?? ''}
            </Header>
          }
        >
          <div className="subnets">
            {data.subnets
              .filter((s) => s.VpcId === vpc.VpcId)
              .sort((a, b) => (a.AvailabilityZone ?? '').localeCompare(b.AvailabilityZone ?? ''))
              .map((subnet) => (
                <SubnetBox key={subnet.SubnetId} world={data} subnet={subnet} />
              ))}
          </div>
        </Container>
      ))}
      {data && (
        <Rows
          title="Who may talk to whom"
          live={{ ...live, data: data.groups }}
          id={(g) => g.GroupId ?? ''}
          columns={[
            { header: 'Security group', cell: (g) => <To href={below('/vpc/security-groups', g.GroupId)}>{g.GroupName}</To>, by: (g) => g.GroupName, width: 180 },
            { header: 'Interfaces', cell: (g) => data.interfaces.filter((i) => i.Groups?.some((x) => x.GroupId === g.GroupId)).length },
            { header: 'In', cell: (g) => <Lines lines={(g.IpPermissions ?? []).map((p) => permissionOf(p, data.groups))} />, width: 280 },
            { header: 'Out', cell: (g) => <Lines lines={(g.IpPermissionsEgress ?? []).map((p) => permissionOf(p, data.groups))} />, width: 280 },
          ]}
        />
      )}
    </Page>
  );
}

/** An interface's description; of a task, its ARN's end says enough. */
const whose = (description = '') => (description.startsWith('arn:') ? description.split(':').pop() : description);

function Lines({ lines }: { lines: string[] }) {
  if (lines.length === 0) return <>Nobody</>;
  return (
    <>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
    </>
  );
}

function SubnetBox({ world, subnet }: { world: World; subnet: World['subnets'][number] }) {
  const ways = gateways(world, subnet);
  const inside = world.interfaces.filter((i) => i.SubnetId === subnet.SubnetId);
  return (
    <div className="map-box">
      <SpaceBetween size="xxs">
        <SpaceBetween size="xs" direction="horizontal">
          <Box variant="strong">{subnet.AvailabilityZone}</Box>
          <Badge color={ways.some((w) => w.includes('igw-')) ? 'green' : 'grey'}>{ways.some((w) => w.includes('igw-')) ? 'public' : 'private'}</Badge>
        </SpaceBetween>
        <Box fontSize="body-s">
          {subnet.SubnetId}, {subnet.CidrBlock}
        </Box>
        {ways.map((way) => (
          <Box key={way} fontSize="body-s" color="text-body-secondary">
            {way}
          </Box>
        ))}
        {inside.slice(0, MOST_SHOWN).map((i) => (
          <Box key={i.NetworkInterfaceId} fontSize="body-s">
            <b>{i.PrivateIpAddress}</b> {whose(i.Description) || i.InterfaceType} {i.Association?.PublicIp && `(${i.Association.PublicIp})`}
          </Box>
        ))}
        {inside.length > MOST_SHOWN && <Box fontSize="body-s">and {inside.length - MOST_SHOWN} more interfaces</Box>}
        {inside.length === 0 && (
          <Box fontSize="body-s" color="text-body-secondary">
            No interfaces
          </Box>
        )}
      </SpaceBetween>
    </div>
  );
}
