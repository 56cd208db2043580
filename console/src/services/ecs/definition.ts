// Task definitions as one registers them.

import type { RegisterTaskDefinitionCommandInput, TaskDefinition } from '@aws-sdk/client-ecs';

/** What somebody asked for: without what ECS adds when it registers it. */
export function asked(definition: TaskDefinition): RegisterTaskDefinitionCommandInput {
  const {
    taskDefinitionArn: _arn,
    revision: _revision,
    status: _status,
    requiresAttributes: _requires,
    compatibilities: _compatibilities,
    registeredAt: _at,
    registeredBy: _by,
    deregisteredAt: _deregistered,
    ...rest
  } = definition;
  return rest as RegisterTaskDefinitionCommandInput;
}

/** What the form asks of one container's task. */
export interface Simple {
  family: string;
  image: string;
  port: string;
  command: string;
  cpu: string;
  memory: string;
  region: string;
  account: string;
  environment: string;
}

/** The memory that Fargate has for a size of CPU, in MiB. */
export const SIZES: Record<string, string[]> = {
  256: ['512', '1024', '2048'],
  512: ['1024', '2048', '3072', '4096'],
  1024: ['2048', '3072', '4096', '5120', '6144', '7168', '8192'],
  2048: ['4096', '8192', '12288', '16384'],
  4096: ['8192', '16384', '30720'],
};

export const EXECUTION_ROLE = 'ecsTaskExecutionRole';

/** A task definition of one container, for Fargate, that logs to a group of its own. */
export function simple(wanted: Simple): RegisterTaskDefinitionCommandInput {
  const port = Number(wanted.port);
  const environment = wanted.environment
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes('='))
    .map((line) => ({ name: line.slice(0, line.indexOf('=')), value: line.slice(line.indexOf('=') + 1) }));
  return {
    family: wanted.family,
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
    cpu: wanted.cpu,
    memory: wanted.memory,
    executionRoleArn: `arn:aws:iam::${wanted.account}:role/${EXECUTION_ROLE}`,
    containerDefinitions: [
      {
        name: 'app',
        image: wanted.image,
        essential: true,
        ...(port ? { portMappings: [{ containerPort: port, protocol: 'tcp' as const }] } : {}),
        ...(wanted.command.trim() ? { command: words(wanted.command) } : {}),
        ...(environment.length > 0 ? { environment } : {}),
        logConfiguration: {
          logDriver: 'awslogs',
          options: {
            'awslogs-group': `/ecs/${wanted.family}`,
            'awslogs-region': wanted.region,
            'awslogs-stream-prefix': 'ecs',
            'awslogs-create-group': 'true',
          },
        },
      },
    ],
  };
}

/** A command's words; quotes hold several together. */
export function words(command: string): string[] {
  const found = command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
  return [...found].map(([, double, single, bare]) => double ?? single ?? bare);
}
