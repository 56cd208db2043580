import { Button } from '@cloudscape-design/components';
import { useState } from 'react';
import { act } from '../../app/notices';
import { secretsManager } from '../../aws/clients';
import { Ask } from '../../parts/Ask';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { time } from '../../parts/names';

export default detailPage({
  from: ['Secrets', '/secrets'],
  key: 'secret',
  get: (SecretId) => secretsManager.describeSecret({ SecretId }),
  facts: (s) => [
    ['Value', <Value key="v" id={s.ARN ?? ''} />],
    ['Description', s.Description],
    ['Rotation', s.RotationEnabled ? 'On' : 'Off'],
    ['Changed', time(s.LastChangedDate)],
    ['Deleted on', s.DeletedDate && time(s.DeletedDate)],
    ['ARN', <Copied key="a" text={s.ARN} />],
  ],
  actions: (_, SecretId) => (
    <Ask
      primary
      verb="Change value"
      title={`Change the value of ${SecretId}`}
      fields={[{ name: 'SecretString', label: 'Value', kind: 'secret' }]}
      action={({ SecretString }) => secretsManager.putSecretValue({ SecretId, SecretString })}
    />
  ),
});

/** A value is shown when it is asked for. */
function Value({ id }: { id: string }) {
  const [value, setValue] = useState<string>();
  if (value !== undefined) return <Copied text={value} />;
  const show = async () => {
    const answer = await act('Retrieve secret value', () => secretsManager.getSecretValue({ SecretId: id }));
    if (answer) setValue(answer.SecretString ?? 'binary');
  };
  return (
    <Button variant="inline-link" onClick={() => void show()}>
      Retrieve
    </Button>
  );
}
