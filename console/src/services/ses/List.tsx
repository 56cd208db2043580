import { sesv2 } from '../../aws/clients';
import { everything } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { listPage } from '../../parts/listing';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Email identities',
  noun: 'Identity',
  key: 'ses-identities',
  list: () =>
    everything(async (NextToken) => {
      const page = await sesv2.listEmailIdentities({ NextToken });
      return { items: page.EmailIdentities, next: page.NextToken };
    }),
  id: (i) => i.IdentityName ?? '',
  columns: [
    { header: 'Type', cell: (i) => i.IdentityType, by: (i) => i.IdentityType },
    { header: 'Sends', cell: (i) => <Status state={i.SendingEnabled ? 'Enabled' : 'Disabled'} />, by: (i) => String(i.SendingEnabled) },
    { header: 'Verification', cell: (i) => <Status state={i.VerificationStatus} />, by: (i) => i.VerificationStatus },
  ],
  more: ([identity]) => (
    <Ask
      verb="Send mail"
      title="Send mail"
      disabled={!identity}
      fields={[
        { name: 'to', label: 'To' },
        { name: 'subject', label: 'Subject' },
        { name: 'text', label: 'Text', kind: 'long' },
      ]}
      action={({ to, subject, text }) =>
        sesv2.sendEmail({
          FromEmailAddress: identity.IdentityType === 'DOMAIN' ? `console@${identity.IdentityName}` : identity.IdentityName,
          Destination: { ToAddresses: [to] },
          Content: { Simple: { Subject: { Data: subject }, Body: { Text: { Data: text } } } },
        })
      }
    />
  ),
  create: {
    verb: 'Create identity',
    fields: [{ name: 'EmailIdentity', label: 'Address or domain' }],
    go: ({ EmailIdentity }) => sesv2.createEmailIdentity({ EmailIdentity }),
  },
  remove: { go: (i) => sesv2.deleteEmailIdentity({ EmailIdentity: i.IdentityName }) },
  empty: 'No identities. What is sent here is kept in the outbox: `neargate mail`.',
});
