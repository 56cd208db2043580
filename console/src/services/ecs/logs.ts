// Where containers' output goes, as their definitions say.

import type { ContainerDefinition } from '@aws-sdk/client-ecs';

export function logsOf(container: ContainerDefinition): { group: string; prefix?: string } | undefined {
  const { logDriver, options } = container.logConfiguration ?? {};
  const group = options?.['awslogs-group'];
  return logDriver === 'awslogs' && group ? { group, prefix: options?.['awslogs-stream-prefix'] } : undefined;
}

/** The stream of one task's container: `prefix/container/task`. */
export function streamOf(container: ContainerDefinition, task: string): string | undefined {
  const found = logsOf(container);
  return found?.prefix && `${found.prefix}/${container.name}/${task}`;
}
