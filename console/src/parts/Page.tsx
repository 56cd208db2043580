// A page: where it is, its title, its actions, and what AWS said when it could not be asked.

import { Alert, BreadcrumbGroup, ContentLayout, Header, SpaceBetween } from '@cloudscape-design/components';
import { type ReactNode, useEffect } from 'react';
import { useNavigate } from 'react-router-dom';
import { isAway, told } from '../app/notices';

export type Crumb = [text: string, href: string];

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
  const navigate = useNavigate();
  useEffect(() => {
    document.title = `${title} – Neargate`;
  }, [title]);
  const trail = (
    <BreadcrumbGroup
      items={[['Neargate', '/'] as Crumb, ...crumbs, [title, '#'] as Crumb].map(([text, href]) => ({ text, href }))}
      ariaLabel="Where this page is"
      onFollow={(event) => {
        event.preventDefault();
        if (event.detail.href !== '#') navigate(event.detail.href);
      }}
    />
  );
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
  if (bare) {
    return (
      <SpaceBetween size="m">
        {trail}
        {content}
      </SpaceBetween>
    );
  }
  return (
    <ContentLayout
      breadcrumbs={trail}
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
