import { sns } from '../../aws/clients';
import { everything } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { shortName } from '../../parts/names';

export default listPage({
  title: 'Topics',
  noun: 'Topic',
  key: 'sns-topics',
  list: () =>
    everything(async (NextToken) => {
      const page = await sns.listTopics({ NextToken });
      return { items: page.Topics, next: page.NextToken };
    }),
  id: (t) => t.TopicArn ?? '',
  name: (t) => shortName(t.TopicArn),
  href: (t) => below('/topics', t.TopicArn),
  columns: [{ header: 'ARN', cell: (t) => t.TopicArn, by: (t) => t.TopicArn, width: 400 }],
  create: {
    verb: 'Create topic',
    fields: [{ name: 'Name', label: 'Name', hint: 'One that ends in .fifo keeps the order of messages.' }],
    go: ({ Name }) => sns.createTopic({ Name, Attributes: Name.endsWith('.fifo') ? { FifoTopic: 'true' } : undefined }),
  },
  remove: { consequence: 'Its subscriptions go with it.', go: (t) => sns.deleteTopic({ TopicArn: t.TopicArn }) },
});
