// The clients of AWS's services: each is loaded when it is first called, and made anew when the
// account or the region changes. A call of any of them is the AWS SDK's own: `ecs.listClusters({})`.

import type { ACM } from '@aws-sdk/client-acm';
import type { ApplicationAutoScaling } from '@aws-sdk/client-application-auto-scaling';
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { CloudFormation } from '@aws-sdk/client-cloudformation';
import type { CloudWatch } from '@aws-sdk/client-cloudwatch';
import type { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import type { CodeBuild } from '@aws-sdk/client-codebuild';
import type { CodeCommit } from '@aws-sdk/client-codecommit';
import type { CodeDeploy } from '@aws-sdk/client-codedeploy';
import type { CodePipeline } from '@aws-sdk/client-codepipeline';
import type { EC2 } from '@aws-sdk/client-ec2';
import type { ECR } from '@aws-sdk/client-ecr';
import type { ECS } from '@aws-sdk/client-ecs';
import type { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { EventBridge } from '@aws-sdk/client-eventbridge';
import type { IAM } from '@aws-sdk/client-iam';
import type { KMS } from '@aws-sdk/client-kms';
import type { RDS } from '@aws-sdk/client-rds';
import type { Route53 } from '@aws-sdk/client-route-53';
import type { S3 } from '@aws-sdk/client-s3';
import type { Scheduler } from '@aws-sdk/client-scheduler';
import type { SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { ServiceDiscovery } from '@aws-sdk/client-servicediscovery';
import type { SESv2 } from '@aws-sdk/client-sesv2';
import type { SNS } from '@aws-sdk/client-sns';
import type { SQS } from '@aws-sdk/client-sqs';
import type { SSM } from '@aws-sdk/client-ssm';
import type { STS } from '@aws-sdk/client-sts';
import { follow } from './commands';
import { type Keys, session } from './session';

/** Every client's configuration: this server, and whoever has signed in. */
function configuration(keys: Keys, region: string) {
  return {
    region,
    credentials: keys,
    endpoint: location.origin,
    maxAttempts: 2,
    // Hosts of operations' own and addresses of queues are names of this server: it is called by one.
    disableHostPrefix: true,
    useQueueUrlAsEndpoint: false,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED' as const,
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
  };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Class<T> = new (configuration: any) => T;

/** A service by its name in the `aws` command. */
function service<T extends object>(name: string, load: () => Promise<Class<T>>): T {
  let made: { by: string; client: Promise<T> } | undefined;
  const client = (): Promise<T> => {
    const { keys, region } = session();
    const by = JSON.stringify([keys, region]);
    if (made?.by !== by) made = { by, client: make(name, load, keys, region) };
    return made.client;
  };
  return new Proxy({} as T, {
    get: (_, operation: string) => async (input: unknown) => {
      const found = (await client()) as Record<string, (input: unknown) => Promise<unknown>>;
      return found[operation](input ?? {});
    },
  });
}

async function make<T extends object>(name: string, load: () => Promise<Class<T>>, keys: Keys, region: string) {
  const client = new (await load())(configuration(keys, region));
  follow(name, client as never);
  return client;
}

export const acm = service<ACM>('acm', async () => (await import('@aws-sdk/client-acm')).ACM);
export const applicationAutoScaling = service<ApplicationAutoScaling>(
  'application-autoscaling',
  async () => (await import('@aws-sdk/client-application-auto-scaling')).ApplicationAutoScaling,
);
export const autoScaling = service<AutoScaling>('autoscaling', async () => (await import('@aws-sdk/client-auto-scaling')).AutoScaling);
export const cloudFormation = service<CloudFormation>('cloudformation', async () => (await import('@aws-sdk/client-cloudformation')).CloudFormation);
export const cloudWatch = service<CloudWatch>('cloudwatch', async () => (await import('@aws-sdk/client-cloudwatch')).CloudWatch);
export const logs = service<CloudWatchLogs>('logs', async () => (await import('@aws-sdk/client-cloudwatch-logs')).CloudWatchLogs);
export const codeBuild = service<CodeBuild>('codebuild', async () => (await import('@aws-sdk/client-codebuild')).CodeBuild);
export const codeCommit = service<CodeCommit>('codecommit', async () => (await import('@aws-sdk/client-codecommit')).CodeCommit);
export const codeDeploy = service<CodeDeploy>('deploy', async () => (await import('@aws-sdk/client-codedeploy')).CodeDeploy);
export const codePipeline = service<CodePipeline>('codepipeline', async () => (await import('@aws-sdk/client-codepipeline')).CodePipeline);
export const ec2 = service<EC2>('ec2', async () => (await import('@aws-sdk/client-ec2')).EC2);
export const ecr = service<ECR>('ecr', async () => (await import('@aws-sdk/client-ecr')).ECR);
export const ecs = service<ECS>('ecs', async () => (await import('@aws-sdk/client-ecs')).ECS);
export const elbv2 = service<ElasticLoadBalancingV2>(
  'elbv2',
  async () => (await import('@aws-sdk/client-elastic-load-balancing-v2')).ElasticLoadBalancingV2,
);
export const eventBridge = service<EventBridge>('events', async () => (await import('@aws-sdk/client-eventbridge')).EventBridge);
export const iam = service<IAM>('iam', async () => (await import('@aws-sdk/client-iam')).IAM);
export const kms = service<KMS>('kms', async () => (await import('@aws-sdk/client-kms')).KMS);
export const rds = service<RDS>('rds', async () => (await import('@aws-sdk/client-rds')).RDS);
export const route53 = service<Route53>('route53', async () => (await import('@aws-sdk/client-route-53')).Route53);
export const s3 = service<S3>('s3api', async () => (await import('@aws-sdk/client-s3')).S3);
export const scheduler = service<Scheduler>('scheduler', async () => (await import('@aws-sdk/client-scheduler')).Scheduler);
export const secretsManager = service<SecretsManager>(
  'secretsmanager',
  async () => (await import('@aws-sdk/client-secrets-manager')).SecretsManager,
);
export const serviceDiscovery = service<ServiceDiscovery>(
  'servicediscovery',
  async () => (await import('@aws-sdk/client-servicediscovery')).ServiceDiscovery,
);
export const sesv2 = service<SESv2>('sesv2', async () => (await import('@aws-sdk/client-sesv2')).SESv2);
export const sns = service<SNS>('sns', async () => (await import('@aws-sdk/client-sns')).SNS);
export const sqs = service<SQS>('sqs', async () => (await import('@aws-sdk/client-sqs')).SQS);
export const ssm = service<SSM>('ssm', async () => (await import('@aws-sdk/client-ssm')).SSM);
export const sts = service<STS>('sts', async () => (await import('@aws-sdk/client-sts')).STS);

/** Who these keys stand for, as STS says it. */
export async function identify(keys: Keys, region: string): Promise<{ account: string; arn: string }> {
  const { STS } = await import('@aws-sdk/client-sts');
  const client = new STS({ ...configuration(keys, region), maxAttempts: 1 });
  const found = await client.getCallerIdentity({});
  return { account: found.Account ?? '', arn: found.Arn ?? '' };
}
