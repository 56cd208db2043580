import type { Message } from '@aws-sdk/client-sqs';
import { Button, SpaceBetween } from '@cloudscape-design/components';
import { useState } from 'react';
import { act } from '../../app/notices';
import { sqs } from '../../aws/clients';
import { Ask } from '../../parts/Ask';
import { Confirm } from '../../parts/Confirm';
import { Copied } from '../../parts/Facts';
import { detailPage } from '../../parts/listing';
import { Rows } from '../../parts/Rows';

export default detailPage({
  from: ['Queues', '/queues'],
  key: 'sqs-queue',
  get: async (QueueName) => {
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName });
    const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
    return { url: QueueUrl ?? '', ...Attributes };
  },
  facts: (q: Record<string, string>) => [
    ['Messages', q.ApproximateNumberOfMessages],
    ['In flight', q.ApproximateNumberOfMessagesNotVisible],
    ['Delayed', q.ApproximateNumberOfMessagesDelayed],
    ['Visibility timeout', `${q.VisibilityTimeout} s`],
    ['Retention', `${q.MessageRetentionPeriod} s`],
    ['Dead letters', q.RedrivePolicy],
    ['ARN', <Copied key="a" text={q.QueueArn} />],
    ['URL', <Copied key="u" text={q.url} />],
  ],
  tabs: (q) => [{ id: 'messages', label: 'Messages', content: <Messages url={q.url} /> }],
  actions: (q, name) => (
    <>
      <Confirm verb="Purge" what={name} consequence="All its messages are deleted." action={() => sqs.purgeQueue({ QueueUrl: q.url })} />
      <Ask
        primary
        verb="Send message"
        title="Send message"
        fields={[
          { name: 'body', label: 'Body', kind: 'long' },
          ...(name.endsWith('.fifo') ? [{ name: 'group', label: 'Message group', value: 'console' }] : []),
        ]}
        action={({ body, group }) =>
          sqs.sendMessage({ QueueUrl: q.url, MessageBody: body, MessageGroupId: group, MessageDeduplicationId: group && String(Date.now()) })
        }
      />
    </>
  ),
});

/** Messages are only seen by receiving them: that is asked for, and hides them from others for a while. */
function Messages({ url }: { url: string }) {
  const [seen, setSeen] = useState<Message[]>([]);
  const poll = async () => {
    const answer = await act('Poll for messages', () =>
      sqs.receiveMessage({ QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 30, WaitTimeSeconds: 1, MessageSystemAttributeNames: ['All'] }),
    );
    if (answer) setSeen((before) => [...before.filter((m) => !answer.Messages?.some((n) => n.MessageId === m.MessageId)), ...(answer.Messages ?? [])]);
  };
  return (
    <SpaceBetween size="l">
      <Rows
        title="Messages"
        description="Polling hides a message from other receivers for 30 seconds, and counts as a receipt."
        live={{ data: seen, loading: false, error: undefined }}
        id={(m) => m.MessageId ?? ''}
        choose="single"
        actions={([message]) => (
          <>
            <Confirm
              verb="Delete"
              what={message?.MessageId ?? ''}
              disabled={!message}
              action={() => sqs.deleteMessage({ QueueUrl: url, ReceiptHandle: message.ReceiptHandle })}
              onDone={() => setSeen(seen.filter((m) => m !== message))}
            />
            <Button variant="primary" onClick={() => void poll()}>
              Poll for messages
            </Button>
          </>
        )}
        empty="Nothing has been received here. Poll to see what waits."
        columns={[
          { header: 'Message', cell: (m) => m.MessageId, by: (m) => m.MessageId, width: 300 },
          { header: 'Received', cell: (m) => m.Attributes?.ApproximateReceiveCount },
          { header: 'Body', cell: (m) => m.Body, by: (m) => m.Body, width: 420 },
        ]}
      />
    </SpaceBetween>
  );
}
