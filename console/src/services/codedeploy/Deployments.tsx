import { codeDeploy } from '../../aws/clients';
import { everything, inPieces } from '../../aws/live';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { Status } from '../../parts/Status';

export default listPage({
  title: 'Deployments',
  noun: 'Deployment',
  key: 'codedeploy-deployments',
  list: async () => {
    const ids = await everything(async (nextToken) => {
      const page = await codeDeploy.listDeployments({ nextToken });
      return { items: page.deployments, next: page.nextToken };
    });
    return inPieces(ids, 25, async (deploymentIds) => (await codeDeploy.batchGetDeployments({ deploymentIds })).deploymentsInfo);
  },
  id: (d) => d.deploymentId ?? '',
  href: (d) => below('/deployments', d.deploymentId),
  columns: [
    { header: 'Status', cell: (d) => <Status state={d.status} why={d.errorInformation?.message} />, by: (d) => d.status },
    { header: 'Application', cell: (d) => d.applicationName, by: (d) => d.applicationName },
    { header: 'Group', cell: (d) => d.deploymentGroupName, by: (d) => d.deploymentGroupName },
    { header: 'Configuration', cell: (d) => d.deploymentConfigName, by: (d) => d.deploymentConfigName, width: 240 },
    { header: 'Begun', cell: (d) => time(d.createTime), by: (d) => d.createTime?.getTime(), width: 180 },
  ],
  empty: 'Nothing has been deployed by CodeDeploy.',
});
