import { Button } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { rds } from '../../aws/clients';
import { Ask } from '../../parts/Ask';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';

export default detailPage({
  from: ['Databases', '/databases'],
  key: 'rds-instance',
  get: async (DBInstanceIdentifier) => (await rds.describeDBInstances({ DBInstanceIdentifier })).DBInstances?.[0],
  facts: (d) => [
    ['Status', <Status key="s" state={d.DBInstanceStatus} />],
    ['Engine', `${d.Engine} ${d.EngineVersion}`],
    ['Endpoint', <Copied key="e" text={d.Endpoint && `${d.Endpoint.Address}:${d.Endpoint.Port}`} />],
    ['User', d.MasterUsername],
    ['Class', d.DBInstanceClass],
    ['Storage', `${d.AllocatedStorage} GiB`],
    ['Created', time(d.InstanceCreateTime)],
    ['ARN', <Copied key="a" text={d.DBInstanceArn} />],
  ],
  actions: (d, DBInstanceIdentifier) => (
    <>
      <Ask
        verb="Take snapshot"
        title={`Take a snapshot of ${DBInstanceIdentifier}`}
        fields={[{ name: 'DBSnapshotIdentifier', label: 'Name' }]}
        action={({ DBSnapshotIdentifier }) => rds.createDBSnapshot({ DBInstanceIdentifier, DBSnapshotIdentifier })}
      />
      <Button disabled={d.DBInstanceStatus !== 'available'} onClick={() => void act(`Reboot ${DBInstanceIdentifier}`, () => rds.rebootDBInstance({ DBInstanceIdentifier }))}>
        Reboot
      </Button>
      <Button
        disabled={!['available', 'stopped'].includes(d.DBInstanceStatus ?? '')}
        onClick={() =>
          void act(`${d.DBInstanceStatus === 'stopped' ? 'Start' : 'Stop'} ${DBInstanceIdentifier}`, () =>
            d.DBInstanceStatus === 'stopped' ? rds.startDBInstance({ DBInstanceIdentifier }) : rds.stopDBInstance({ DBInstanceIdentifier }),
          )
        }
      >
        {d.DBInstanceStatus === 'stopped' ? 'Start' : 'Stop'}
      </Button>
    </>
  ),
});
