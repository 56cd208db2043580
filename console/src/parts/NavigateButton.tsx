import { Button } from '@cloudscape-design/components';
import type { ReactNode } from 'react';
import { useNavigate } from 'react-router-dom';

/** A button that leads to another page of the console. */
export function NavigateButton({ href, primary, children }: { href: string; primary?: boolean; children: ReactNode }) {
  const navigate = useNavigate();
  return (
    <Button
      variant={primary ? 'primary' : 'normal'}
      href={`/console${href}`}
      onFollow={(event) => {
        event.preventDefault();
        navigate(href);
      }}
    >
      {children}
    </Button>
  );
}
