// What is known of one thing, in pairs; and all of it, as AWS answers it.

import { Box, Container, CopyToClipboard, Header, KeyValuePairs } from '@cloudscape-design/components';
import type { ReactNode } from 'react';
import { pretty } from './names';

export function Facts({ title = 'Summary', facts, columns = 4 }: { title?: string; facts: [label: string, value: ReactNode][]; columns?: number }) {
  return (
    <Container header={<Header variant="h2">{title}</Header>}>
      <KeyValuePairs columns={columns} minColumnWidth={190} items={facts.map(([label, value]) => ({ label, value: value === undefined || value === '' ? '–' : value }))} />
    </Container>
  );
}

export function Json({ title = 'JSON', value }: { title?: string; value: unknown }) {
  const text = pretty(value) ?? '';
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={<CopyToClipboard copyButtonText="Copy" textToCopy={text} copySuccessText="Copied" copyErrorText="Not copied" />}
        >
          {title}
        </Header>
      }
    >
      <pre className="mono output" tabIndex={0}>
        {text}
      </pre>
    </Container>
  );
}

/** A short text that is copied by a click. */
export function Copied({ text }: { text: string | undefined }) {
  if (!text) return <>–</>;
  return (
    <CopyToClipboard variant="inline" textToCopy={text} textToDisplay={<Box variant="span">{text}</Box> as never} copySuccessText="Copied" copyErrorText="Not copied" copyButtonAriaLabel={`Copy ${text}`} />
  );
}
