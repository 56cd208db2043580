// From nothing to a service behind a load balancer, one call after the other. What is there already is
// taken as it is, so that a way that was broken off is gone again.

import { ec2, ecs, elbv2, iam } from '../../aws/clients';
import { session } from '../../aws/session';
import { EXECUTION_ROLE, simple } from '../../services/ecs/definition';

export interface Wanted {
  name: string;
  cluster: string;
  image: string;
  port: string;
  command: string;
  path: string;
  count: string;
}

/** What the steps have made so far. */
export interface Made {
  vpc?: string;
  subnets?: string[];
  balancerGroup?: string;
  taskGroup?: string;
  targetGroup?: string;
  balancer?: string;
  address?: string;
  definition?: string;
}

export interface Step {
  title: string;
  go: (wanted: Wanted, made: Made) => Promise<Partial<Made> | void>;
}

const isNamed = (error: unknown, ...names: string[]) => error instanceof Error && names.includes(error.name);

async function securityGroup(name: string, description: string, vpc: string): Promise<string> {
  try {
    return (await ec2.createSecurityGroup({ GroupName: name, Description: description, VpcId: vpc })).GroupId ?? '';
  } catch (error) {
    if (!isNamed(error, 'InvalidGroup.Duplicate')) throw error;
    const found = await ec2.describeSecurityGroups({ Filters: [{ Name: 'group-name', Values: [name] }, { Name: 'vpc-id', Values: [vpc] }] });
    return found.SecurityGroups?.[0]?.GroupId ?? '';
  }
}

async function allow(group: string, permission: { FromPort: number; ToPort: number; IpRanges?: { CidrIp: string }[]; UserIdGroupPairs?: { GroupId: string }[] }) {
  try {
    await ec2.authorizeSecurityGroupIngress({ GroupId: group, IpPermissions: [{ IpProtocol: 'tcp', ...permission }] });
  } catch (error) {
    if (!isNamed(error, 'InvalidPermission.Duplicate')) throw error;
  }
}

const TRUST = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'ecs-tasks.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

export const STEPS: Step[] = [
  {
    title: 'Find the network',
    go: async () => {
      const vpcs = await ec2.describeVpcs({ Filters: [{ Name: 'is-default', Values: ['true'] }] });
      const vpc = vpcs.Vpcs?.[0]?.VpcId;
      if (!vpc) throw new Error('This region has no default VPC. Create one: aws ec2 create-default-vpc');
      const found = await ec2.describeSubnets({ Filters: [{ Name: 'vpc-id', Values: [vpc] }] });
      const zones = new Map((found.Subnets ?? []).map((s) => [s.AvailabilityZone, s.SubnetId ?? '']));
      return { vpc, subnets: [...zones.values()].slice(0, 2) };
    },
  },
  { title: 'Create the cluster', go: async ({ cluster }) => void (await ecs.createCluster({ clusterName: cluster })) },
  {
    title: 'Create the role that pulls the image and writes logs',
    go: async () => {
      try {
        await iam.createRole({ RoleName: EXECUTION_ROLE, AssumeRolePolicyDocument: JSON.stringify(TRUST) });
      } catch (error) {
        if (!isNamed(error, 'EntityAlreadyExists', 'EntityAlreadyExistsException')) throw error;
      }
      await iam.attachRolePolicy({ RoleName: EXECUTION_ROLE, PolicyArn: 'arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy' });
    },
  },
  {
    title: 'Create the security groups',
    go: async ({ name, port }, { vpc = '' }) => {
      const balancerGroup = await securityGroup(`${name}-balancer`, `Who may ask ${name}`, vpc);
      const taskGroup = await securityGroup(`${name}-tasks`, `Tasks of ${name}`, vpc);
      await allow(balancerGroup, { FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] });
      await allow(taskGroup, { FromPort: Number(port), ToPort: Number(port), UserIdGroupPairs: [{ GroupId: balancerGroup }] });
      return { balancerGroup, taskGroup };
    },
  },
  {
    title: 'Create the target group',
    go: async ({ name, port, path }, { vpc }) => {
      const made = await elbv2.createTargetGroup({
        Name: name,
        Protocol: 'HTTP',
        Port: Number(port),
        VpcId: vpc,
        TargetType: 'ip',
        HealthCheckPath: path,
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
        HealthyThresholdCount: 2,
      });
      return { targetGroup: made.TargetGroups?.[0]?.TargetGroupArn };
    },
  },
  {
    title: 'Create the load balancer and its listener',
    go: async ({ name }, { subnets, balancerGroup = '', targetGroup }) => {
      const made = await elbv2.createLoadBalancer({ Name: name, Type: 'application', Scheme: 'internet-facing', Subnets: subnets, SecurityGroups: [balancerGroup] });
      const balancer = made.LoadBalancers?.[0];
      const forward = { Type: 'forward' as const, TargetGroupArn: targetGroup };
      try {
        await elbv2.createListener({ LoadBalancerArn: balancer?.LoadBalancerArn, Protocol: 'HTTP', Port: 80, DefaultActions: [forward] });
      } catch (error) {
        if (!isNamed(error, 'DuplicateListenerException', 'DuplicateListener')) throw error;
      }
      return { balancer: balancer?.LoadBalancerArn, address: balancer?.DNSName };
    },
  },
  {
    title: 'Register the task definition',
    go: async ({ name, image, port, command }) => {
      const { account, region } = session();
      const wanted = simple({ family: name, image, port, command, cpu: '256', memory: '512', environment: '', account, region });
      return { definition: (await ecs.registerTaskDefinition(wanted)).taskDefinition?.taskDefinitionArn };
    },
  },
  {
    title: 'Create the service',
    go: async ({ name, cluster, port, count }, { definition, subnets = [], taskGroup = '', targetGroup }) => {
      await ecs.createService({
        cluster,
        serviceName: name,
        taskDefinition: definition,
        desiredCount: Number(count),
        launchType: 'FARGATE',
        enableExecuteCommand: true,
        networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: [taskGroup], assignPublicIp: 'ENABLED' } },
        loadBalancers: [{ targetGroupArn: targetGroup, containerName: 'app', containerPort: Number(port) }],
        deploymentConfiguration: { deploymentCircuitBreaker: { enable: true, rollback: true } },
      });
    },
  },
];
