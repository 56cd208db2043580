import { sns } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { shortName } from '../../parts/names';
import { Rows } from '../../parts/Rows';

export default detailPage({
  from: ['Topics', '/topics'],
  key: 'sns-topic',
  get: async (TopicArn) => (await sns.getTopicAttributes({ TopicArn })).Attributes,
  title: (_, id) => shortName(id),
  facts: (t) => [
    ['ARN', <Copied key="a" text={t.TopicArn} />],
    ['Confirmed subscriptions', t.SubscriptionsConfirmed],
    ['Pending subscriptions', t.SubscriptionsPending],
    ['Key', t.KmsMasterKeyId],
  ],
  tabs: (_, arn) => [{ id: 'subscriptions', label: 'Subscriptions', content: <Subscriptions arn={arn} /> }],
  actions: (_, TopicArn) => (
    <Ask
      primary
      verb="Publish message"
      title="Publish message"
      fields={[
        { name: 'Subject', label: 'Subject', optional: true },
        { name: 'Message', label: 'Message', kind: 'long' },
      ]}
      action={({ Subject, Message }) => sns.publish({ TopicArn, Subject: Subject || undefined, Message })}
    />
  ),
});

function Subscriptions({ arn }: { arn: string }) {
  const live = useLive(['sns-subscriptions', arn], () =>
    everything(async (NextToken) => {
      const page = await sns.listSubscriptionsByTopic({ TopicArn: arn, NextToken });
      return { items: page.Subscriptions, next: page.NextToken };
    }),
  );
  return (
    <Rows
      title="Subscriptions"
      live={live}
      id={(s) => `${s.SubscriptionArn} ${s.Endpoint}`}
      choose="single"
      actions={([one]) => (
        <>
          <Confirm
            verb="Unsubscribe"
            what={one?.Endpoint ?? ''}
            disabled={!one?.SubscriptionArn?.startsWith('arn:')}
            action={() => sns.unsubscribe({ SubscriptionArn: one.SubscriptionArn })}
          />
          <Ask
            primary
            verb="Subscribe"
            title="Subscribe"
            fields={[
              { name: 'Protocol', label: 'Protocol', kind: { options: ['sqs', 'http', 'https', 'email', 'email-json'] }, value: 'sqs' },
              { name: 'Endpoint', label: 'Endpoint' },
            ]}
            action={({ Protocol, Endpoint }) => sns.subscribe({ TopicArn: arn, Protocol, Endpoint })}
          />
        </>
      )}
      columns={[
        { header: 'Endpoint', cell: (s) => s.Endpoint, by: (s) => s.Endpoint, width: 320 },
        { header: 'Protocol', cell: (s) => s.Protocol, by: (s) => s.Protocol },
        { header: 'Subscription', cell: (s) => shortName(s.SubscriptionArn), by: (s) => s.SubscriptionArn, width: 280 },
      ]}
    />
  );
}
