// What is around every page: the bar, the navigation, what actions came to, and their commands.

import { Alert, AppLayoutToolbar, Badge, Box, BreadcrumbGroup, Flashbar, SideNavigation, Spinner } from '@cloudscape-design/components';
import { type ComponentType, lazy, Suspense, useEffect, useState } from 'react';
import { Route, Routes, useLocation, useNavigate } from 'react-router-dom';
import { hasSession } from '../aws/session';
import { services } from '../services';
import { GROUPS } from '../services/service';
import { Bar } from './Bar';
import { Commands } from './Commands';
import { Failing } from './Failing';
import { dismiss, useNotices } from './notices';
import { useIsAway } from './reach';
import { useTrail } from './trail';

const lazily = (load: () => Promise<{ default: ComponentType }>) => lazy(load);

const own = [
  { path: '/', Page: lazily(() => import('./Overview')) },
  { path: '/start', Page: lazily(() => import('./start/Start')) },
];
const pages = [...own, ...services.flatMap((s) => s.pages.map(({ path, load }) => ({ path, Page: lazily(load) })))];
const Missing = lazily(() => import('./Missing'));

export function Shell() {
  const location = useLocation();
  const navigate = useNavigate();
  const notices = useNotices();
  const away = useIsAway();
  const trail = useTrail();
  const narrow = window.innerWidth < 700;
  const [navigation, setNavigation] = useState(!narrow);
  const [drawer, setDrawer] = useState<string | null>(null);
  useEffect(() => {
    if (window.innerWidth < 700) setNavigation(false);
  }, [location.pathname]);
  if (!hasSession()) return null;
  const items = notices.map((notice) => ({
    id: notice.id,
    type: notice.type,
    header: notice.header,
    content: notice.content,
    loading: notice.type === 'in-progress',
    dismissible: true,
    dismissLabel: 'Dismiss',
    onDismiss: () => dismiss(notice.id),
  }));
  const links = GROUPS.map((group) => ({
    type: 'section-group' as const,
    title: group,
    items: services
      .filter((service) => service.group === group)
      .map((service) =>
        service.links.length === 1
          ? { type: 'link' as const, ...service.links[0] }
          : {
              type: 'section' as const,
              text: service.name,
              defaultExpanded: service.links.some((link) => location.pathname.startsWith(link.href)) || group === 'Containers',
              items: service.links.map((link) => ({ type: 'link' as const, ...link })),
            },
      ),
  })).filter((group) => group.items.length > 0);
  const active = services
    .flatMap((s) => s.links.map((l) => l.href))
    .filter((href) => location.pathname.startsWith(href))
    .sort((a, b) => b.length - a.length)[0];
  return (
    <>
      <div id="bar">
        <Bar />
      </div>
      <AppLayoutToolbar
        headerSelector="#bar"
        navigationOpen={navigation}
        onNavigationChange={({ detail }) => setNavigation(detail.open)}
        navigation={
          <SideNavigation
            activeHref={active ?? location.pathname}
            header={{ text: 'Neargate', href: '/' }}
            items={[
              { type: 'link', text: 'Overview', href: '/' },
              { type: 'link', text: 'Run a first service', href: '/start', info: <Badge color="blue">Guide</Badge> },
              { type: 'divider' },
              ...links,
            ]}
            onFollow={(event) => {
              if (event.detail.external) return;
              event.preventDefault();
              navigate(event.detail.href);
            }}
          />
        }
        notifications={
          <>
            {away && (
              <Alert type="warning" header="The server does not answer">
                What is shown is what was last known. It is asked again every second.
              </Alert>
            )}
            <Flashbar items={items} stackItems={items.length > 3} />
          </>
        }
        breadcrumbs={
          <BreadcrumbGroup
            items={trail.map(([text, href]) => ({ text, href }))}
            ariaLabel="Where this page is"
            onFollow={(event) => {
              event.preventDefault();
              if (event.detail.href !== '#') navigate(event.detail.href);
            }}
          />
        }
        toolsHide
        drawers={[
          {
            id: 'commands',
            content: <Commands />,
            trigger: { iconName: 'command-prompt' },
            resizable: true,
            defaultSize: 460,
            ariaLabels: { drawerName: 'Commands', triggerButton: 'Commands', closeButton: 'Close', resizeHandle: 'Resize' },
          },
        ]}
        activeDrawerId={drawer}
        onDrawerChange={({ detail }) => setDrawer(detail.activeDrawerId)}
        ariaLabels={{
          navigation: 'Services',
          navigationClose: 'Close navigation',
          navigationToggle: 'Open navigation',
          notifications: 'Notifications',
          drawers: 'Drawers',
        }}
        content={
          <Failing key={location.pathname}>
            <Suspense
              fallback={
                <Box textAlign="center" padding="xxl">
                  <Spinner size="large" />
                </Box>
              }
            >
              <Routes>
                {pages.map(({ path, Page }) => (
                  <Route key={path} path={path} element={<Page />} />
                ))}
                <Route path="*" element={<Missing />} />
              </Routes>
            </Suspense>
          </Failing>
        }
      />
    </>
  );
}
