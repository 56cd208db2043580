// A state in AWS's own word, with the colour that it means.

import { StatusIndicator, type StatusIndicatorProps } from '@cloudscape-design/components';

const GOOD = /^(active|running|healthy|available|completed?|succeeded|in-?service|steady.?state|ok|steady_state|issued|create_complete|update_complete|update_rollback_complete|enabled|success|primary|insync|verified|imported|approved|complete|deployed|ready|confirmed)$/i;
const BAD = /^(failed|fault|unhealthy|error|alarm|rollback_.*|.*_failed|.*rollback_complete|timed?_?out|unavailable|failure|rejected|expired)$/i;
const MOVING = /^(pending|provisioning|activating|deactivating|stopping|deprovisioning|in_?progress|initial|creating|deleting|.*_in_progress|draining|updating|modifying|queued|inprogress|started|backing-up|rebooting|initializing|pending_.*)$/i;
const OFF = /^(stopped|inactive|deleted|unused|disabled|cancel+ed|superseded|unknown|insufficient_data|terminated|not_started|stopping|none)$/i;

function type(state: string): StatusIndicatorProps.Type {
  if (GOOD.test(state)) return 'success';
  if (BAD.test(state)) return 'error';
  if (MOVING.test(state)) return 'in-progress';
  if (OFF.test(state)) return 'stopped';
  return 'info';
}

export function Status({ state, why }: { state: string | undefined; why?: string }) {
  if (!state) return <>–</>;
  return (
    <StatusIndicator type={type(state)} wrapText={why !== undefined}>
      {state}
      {why ? `: ${why}` : ''}
    </StatusIndicator>
  );
}
