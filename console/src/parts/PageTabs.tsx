// Tabs that are part of the address, so that a reload and a link show the same.

import { Tabs, type TabsProps } from '@cloudscape-design/components';
import { useSearchParams } from 'react-router-dom';

export function PageTabs({ tabs, label }: { tabs: TabsProps.Tab[]; label: string }) {
  const [asked, setAsked] = useSearchParams();
  const wanted = asked.get('tab');
  const active = tabs.find((tab) => tab.id === wanted)?.id ?? tabs[0].id;
  // Only the tab that is looked at asks anything.
  const shown = tabs.map((tab) => (tab.id === active ? tab : { ...tab, content: undefined }));
  return (
    <Tabs
      ariaLabel={label}
      i18nStrings={{ scrollLeftAriaLabel: 'Scroll left', scrollRightAriaLabel: 'Scroll right' }}
      tabs={shown}
      activeTabId={active}
      onChange={({ detail }) => setAsked((now) => ({ ...Object.fromEntries(now), tab: detail.activeTabId }), { replace: true })}
    />
  );
}
