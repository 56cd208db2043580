import { sqs } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { shortName } from '../../parts/names';

/** Queues beyond these are listed without their counts, which are a call each. */
const MOST_COUNTED = 100;

export default listPage({
  title: 'Queues',
  noun: 'Queue',
  key: 'sqs-queues',
  list: async () => {
    const urls = await everything(async (NextToken) => {
      const page = await sqs.listQueues({ NextToken, MaxResults: 1000 });
      return { items: page.QueueUrls, next: page.NextToken };
    });
    return Promise.all(
      urls.map(async (url, at) => ({ url, counts: at < MOST_COUNTED ? (await sqs.getQueueAttributes({ QueueUrl: url, AttributeNames: ['All'] })).Attributes : undefined })),
    );
  },
  id: (q) => q.url,
  name: (q) => shortName(q.url),
  href: (q) => below('/queues', shortName(q.url)),
  columns: [
    { header: 'Messages', cell: (q) => q.counts?.ApproximateNumberOfMessages ?? '–', by: (q) => Number(q.counts?.ApproximateNumberOfMessages) },
    { header: 'In flight', cell: (q) => q.counts?.ApproximateNumberOfMessagesNotVisible ?? '–', by: (q) => Number(q.counts?.ApproximateNumberOfMessagesNotVisible) },
    { header: 'Delayed', cell: (q) => q.counts?.ApproximateNumberOfMessagesDelayed ?? '–', by: (q) => Number(q.counts?.ApproximateNumberOfMessagesDelayed) },
    { header: 'Type', cell: (q) => (q.url.endsWith('.fifo') ? 'FIFO' : 'Standard') },
  ],
  create: {
    verb: 'Create queue',
    fields: [{ name: 'QueueName', label: 'Name', hint: 'One that ends in .fifo keeps the order of messages.' }],
    go: ({ QueueName }) => sqs.createQueue({ QueueName, Attributes: QueueName.endsWith('.fifo') ? { FifoQueue: 'true' } : undefined }),
  },
  remove: { consequence: 'Its messages go with it.', go: (q) => sqs.deleteQueue({ QueueUrl: q.url }) },
});
