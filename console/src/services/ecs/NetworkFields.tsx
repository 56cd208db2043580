// The subnets and security groups of a task, of those that this account has.

import { FormField, Multiselect, SpaceBetween, Toggle } from '@cloudscape-design/components';
import { useEffect } from 'react';
import { ec2 } from '../../aws/clients';
import { useLive } from '../../aws/live';

export interface Network {
  subnets: string[];
  groups: string[];
  publicAddress: boolean;
}

export const NO_NETWORK: Network = { subnets: [], groups: [], publicAddress: true };

export function awsvpc(network: Network) {
  return {
    awsvpcConfiguration: {
      subnets: network.subnets,
      ...(network.groups.length > 0 ? { securityGroups: network.groups } : {}),
      assignPublicIp: network.publicAddress ? ('ENABLED' as const) : ('DISABLED' as const),
    },
  };
}

export function NetworkFields({ value, onChange }: { value: Network; onChange: (network: Network) => void }) {
  const { data } = useLive(
    ['ec2', 'network-choice'],
    async () => {
      const [subnets, groups] = await Promise.all([ec2.describeSubnets({}), ec2.describeSecurityGroups({})]);
      return { subnets: subnets.Subnets ?? [], groups: groups.SecurityGroups ?? [] };
    },
    10_000,
  );
  useEffect(() => {
    const first = data?.subnets.filter((s) => s.DefaultForAz).slice(0, 2);
    if (value.subnets.length === 0 && first?.length) onChange({ ...value, subnets: first.map((s) => s.SubnetId ?? '') });
  }, [data]);
  const subnets = (data?.subnets ?? []).map((s) => ({ value: s.SubnetId, label: s.SubnetId, description: `${s.AvailabilityZone}, ${s.CidrBlock}` }));
  const groups = (data?.groups ?? []).map((g) => ({ value: g.GroupId, label: g.GroupName, description: `${g.GroupId}, ${g.Description}` }));
  return (
    <SpaceBetween size="l">
      <FormField label="Subnets">
        <Multiselect
          options={subnets}
          selectedOptions={subnets.filter((s) => value.subnets.includes(s.value ?? ''))}
          placeholder="Choose subnets"
          onChange={({ detail }) => onChange({ ...value, subnets: detail.selectedOptions.map((o) => o.value ?? '') })}
          deselectAriaLabel={(o) => `Remove ${o.label}`}
        />
      </FormField>
      <FormField label="Security groups – optional" description="The default group of the VPC, if none is chosen.">
        <Multiselect
          options={groups}
          selectedOptions={groups.filter((g) => value.groups.includes(g.value ?? ''))}
          placeholder="Choose security groups"
          onChange={({ detail }) => onChange({ ...value, groups: detail.selectedOptions.map((o) => o.value ?? '') })}
          deselectAriaLabel={(o) => `Remove ${o.label}`}
        />
      </FormField>
      <Toggle checked={value.publicAddress} onChange={({ detail }) => onChange({ ...value, publicAddress: detail.checked })}>
        Assign a public address
      </Toggle>
    </SpaceBetween>
  );
}
