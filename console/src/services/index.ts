// Every service that has pages: one folder and one line each.

import { cloudWatch } from './cloudwatch';
import { ecr } from './ecr';
import { ecs } from './ecs';
import { elbv2 } from './elbv2';
import type { Service } from './service';
import { vpc } from './vpc';

export const services: Service[] = [ecs, ecr, elbv2, vpc, cloudWatch];
