// A page: where it is, its title, its actions, and what AWS said when it could not be asked.

import { Alert, ContentLayout, Header, SpaceBetween } from '@cloudscape-design/components';
import { type ReactNode, useEffect } from 'react';
import { isAway, told } from '../app/notices';
import { type Crumb, useBeing } from '../app/trail';

export type { Crumb };

interface Props {
  title: string;
  crumbs?: Crumb[];
  description?: ReactNode;
  actions?: ReactNode;
  error?: Error;
  /** Tables have a header of their own. */
  bare?: boolean;
  children: ReactNode;
}

export function Page({ title, crumbs = [], description, actions, error, bare, children }: Props) {
  useBeing([['Neargate', '/'], ...crumbs, [title, '#']]);
  useEffect(() => {
    document.title = `${title} – Neargate`;
  }, [title]);
  const content = (
    <SpaceBetween size="l">
      {error && !isAway(error) && (
        <Alert type="error" header={told(error).code}>
          {told(error).sentence}
        </Alert>
      )}
      {children}
    </SpaceBetween>
  );
  if (bare) return content;
  return (
    <ContentLayout
      header={
        <Header variant="h1" description={description} actions={actions}>
          {title}
        </Header>
      }
    >
      {content}
    </ContentLayout>
  );
}
