// What there is of load balancers, and what leads where.

import type { Action, Listener, LoadBalancer, Rule, TargetGroup, TargetHealthDescription } from '@aws-sdk/client-elastic-load-balancing-v2';
import { ec2, elbv2 } from '../../aws/clients';
import { everything } from '../../aws/live';

export function balancers(): Promise<LoadBalancer[]> {
  return everything(async (Marker) => {
    const page = await elbv2.describeLoadBalancers({ Marker });
    return { items: page.LoadBalancers, next: page.NextMarker };
  });
}

export function targetGroups(): Promise<TargetGroup[]> {
  return everything(async (Marker) => {
    const page = await elbv2.describeTargetGroups({ Marker });
    return { items: page.TargetGroups, next: page.NextMarker };
  });
}

export interface Picture {
  listeners: { listener: Listener; rules: Rule[] }[];
  groups: Map<string, { group: TargetGroup; health: TargetHealthDescription[] }>;
}

/** A load balancer's listeners with their rules, and its groups with their targets. */
export async function picture(LoadBalancerArn: string): Promise<Picture> {
  const [listeners, groups] = await Promise.all([
    elbv2.describeListeners({ LoadBalancerArn }),
    elbv2.describeTargetGroups({ LoadBalancerArn }),
  ]);
  const [rules, health] = await Promise.all([
    Promise.all(
      (listeners.Listeners ?? []).map(async (listener) => ({
        listener,
        rules: (await elbv2.describeRules({ ListenerArn: listener.ListenerArn })).Rules ?? [],
      })),
    ),
    Promise.all(
      (groups.TargetGroups ?? []).map(async (group) => ({
        group,
        health: (await elbv2.describeTargetHealth({ TargetGroupArn: group.TargetGroupArn })).TargetHealthDescriptions ?? [],
      })),
    ),
  ]);
  return { listeners: rules, groups: new Map(health.map((h) => [h.group.TargetGroupArn ?? '', h])) };
}

/** Where an action sends requests, with the share of each group in percent. */
export function targetsOf(action: Action): { arn: string; share: number }[] {
  const all = action.ForwardConfig?.TargetGroups ?? (action.TargetGroupArn ? [{ TargetGroupArn: action.TargetGroupArn, Weight: 1 }] : []);
  const sum = all.reduce((sum, g) => sum + (g.Weight ?? 1), 0) || 1;
  return all.map((g) => ({ arn: g.TargetGroupArn ?? '', share: Math.round((100 * (g.Weight ?? 1)) / sum) }));
}

/** What a rule asks of a request, in a line. */
export function conditionOf(rule: Rule): string {
  if (rule.IsDefault) return 'Everything else';
  return (rule.Conditions ?? [])
    .map((c) => {
      const values = c.PathPatternConfig?.Values ?? c.HostHeaderConfig?.Values ?? c.HttpHeaderConfig?.Values ?? c.HttpRequestMethodConfig?.Values ?? c.SourceIpConfig?.Values ?? c.Values ?? [];
      const query = c.QueryStringConfig?.Values?.map((v) => `${v.Key ?? '*'}=${v.Value}`) ?? [];
      return `${c.Field}${c.HttpHeaderConfig ? ` ${c.HttpHeaderConfig.HttpHeaderName}` : ''} is ${[...values, ...query].join(' or ')}`;
    })
    .join(' and ');
}

export function actionOf(action: Action): string {
  if (action.RedirectConfig) return `Redirect to ${action.RedirectConfig.Protocol}://${action.RedirectConfig.Host}:${action.RedirectConfig.Port}${action.RedirectConfig.Path}`;
  if (action.FixedResponseConfig) return `Answer ${action.FixedResponseConfig.StatusCode}`;
  return action.Type ?? '';
}

/** Two subnets of the default VPC, in different zones. */
export async function firstSubnets(): Promise<{ vpc: string; subnets: string[] }> {
  const { Subnets } = await ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
  const zones = new Map((Subnets ?? []).map((s) => [s.AvailabilityZone, s.SubnetId ?? '']));
  return { vpc: Subnets?.[0]?.VpcId ?? '', subnets: [...zones.values()].slice(0, 2) };
}
