// Every service that has pages: one folder and one line each.

import { acm } from './acm';
import { autoScaling } from './autoscaling';
import { cloudFormation } from './cloudformation';
import { cloudWatch } from './cloudwatch';
import { codeBuild } from './codebuild';
import { codeCommit } from './codecommit';
import { codeDeploy } from './codedeploy';
import { codePipeline } from './codepipeline';
import { ecr } from './ecr';
import { ecs } from './ecs';
import { elbv2 } from './elbv2';
import { eventBridge } from './eventbridge';
import { iam } from './iam';
import { kms } from './kms';
import { ssm } from './parameters';
import { rds } from './rds';
import { route53 } from './route53';
import { s3 } from './s3';
import { secretsManager } from './secrets';
import type { Service } from './service';
import { serviceDiscovery } from './servicediscovery';
import { ses } from './ses';
import { sns } from './sns';
import { sqs } from './sqs';
import { vpc } from './vpc';

export const services: Service[] = [
  ecs,
  ecr,
  autoScaling,
  elbv2,
  vpc,
  serviceDiscovery,
  route53,
  cloudWatch,
  codeCommit,
  codeBuild,
  codePipeline,
  codeDeploy,
  cloudFormation,
  eventBridge,
  sns,
  sqs,
  ses,
  s3,
  rds,
  secretsManager,
  ssm,
  iam,
  kms,
  acm,
];
