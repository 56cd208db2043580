import { acm } from '../../aws/clients';
import { everything } from '../../aws/live';
import { listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Certificates',
  noun: 'Domain',
  key: 'acm-certificates',
  list: () =>
    everything(async (NextToken) => {
      const page = await acm.listCertificates({ NextToken });
      return { items: page.CertificateSummaryList, next: page.NextToken };
    }),
  id: (c) => c.CertificateArn ?? '',
  name: (c) => c.DomainName ?? '',
  columns: [
    { header: 'Status', cell: (c) => <Status state={c.Status} />, by: (c) => c.Status },
    { header: 'Type', cell: (c) => c.Type, by: (c) => c.Type },
    { header: 'In use', cell: (c) => (c.InUse ? 'Yes' : 'No') },
    { header: 'Until', cell: (c) => time(c.NotAfter), by: (c) => c.NotAfter?.getTime(), width: 180 },
    { header: 'ARN', cell: (c) => c.CertificateArn, by: (c) => c.CertificateArn, width: 320 },
  ],
  create: {
    verb: 'Request certificate',
    fields: [{ name: 'DomainName', label: 'Domain' }],
    go: ({ DomainName }) => acm.requestCertificate({ DomainName, ValidationMethod: 'DNS' }),
  },
  remove: { consequence: 'No load balancer may use it.', go: (c) => acm.deleteCertificate({ CertificateArn: c.CertificateArn }) },
});
