// A load balancer as a picture: listener, rules, groups, targets.

import { Box, SpaceBetween } from '@cloudscape-design/components';
import { below } from '../../parts/listing';
import { Status } from '../../parts/Status';
import { To } from '../../parts/To';
import { actionOf, conditionOf, type Picture, targetsOf } from './ask';

/** More targets than this are counted. */
const MOST_TARGETS = 12;

export function Drawing({ picture }: { picture: Picture }) {
  if (picture.listeners.length === 0) return <Box color="text-body-secondary">No listener yet: nothing is answered.</Box>;
  return (
    <div className="map" tabIndex={0} role="group" aria-label="From listener to target">
      <div className="map-row">
        {['Listener', 'Rule', 'Target group', 'Targets'].map((title) => (
          <Box key={title} variant="awsui-key-label">
            {title}
          </Box>
        ))}
      </div>
      {picture.listeners.flatMap(({ listener, rules }) =>
        rules.map((rule, at) => {
          const targets = (rule.Actions ?? []).flatMap(targetsOf);
          return (
            <div key={rule.RuleArn} className="map-row">
              <div>
                {at === 0 && (
                  <div className="map-box" data-leads>
                    <Box variant="strong">
                      {listener.Protocol} {listener.Port}
                    </Box>
                  </div>
                )}
              </div>
              <div>
                <div className="map-box" data-leads>
                  <Box fontSize="body-s" color="text-body-secondary">
                    {rule.IsDefault ? 'default' : `priority ${rule.Priority}`}
                  </Box>
                  {conditionOf(rule)}
                  {targets.length === 0 && <Box>{(rule.Actions ?? []).map(actionOf).join(', ')}</Box>}
                </div>
              </div>
              <div>
                {targets.map(({ arn, share }) => (
                  <div key={arn} className="map-box" data-leads>
                    <To href={below('/target-groups', arn.split('/')[1])}>{arn.split('/')[1]}</To>
                    <Box fontSize="body-s" color="text-body-secondary">
                      {share} % of requests
                    </Box>
                  </div>
                ))}
              </div>
              <div>
                {targets.map(({ arn }) => {
                  const health = picture.groups.get(arn)?.health ?? [];
                  return (
                    <div key={arn} className="map-box">
                      <SpaceBetween size="xxs">
                        {health.length === 0 && <Box color="text-body-secondary">No targets</Box>}
                        {health.slice(0, MOST_TARGETS).map((t) => (
                          <div key={`${t.Target?.Id}:${t.Target?.Port}`}>
                            <Status state={t.TargetHealth?.State} why={`${t.Target?.Id}:${t.Target?.Port}`} />
                          </div>
                        ))}
                        {health.length > MOST_TARGETS && <Box>and {health.length - MOST_TARGETS} more</Box>}
                      </SpaceBetween>
                    </div>
                  );
                })}
              </div>
            </div>
          );
        }),
      )}
    </div>
  );
}
