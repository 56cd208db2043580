// A link within the console, which opens without a load.

import { Link, type LinkProps } from '@cloudscape-design/components';
import type { ReactNode } from 'react';
import { useNavigate } from 'react-router-dom';

export function To({ href, children, variant, label }: { href: string; children: ReactNode; variant?: LinkProps.Variant; label?: string }) {
  const navigate = useNavigate();
  return (
    <Link
      href={`/console${href}`}
      variant={variant}
      ariaLabel={label}
      onFollow={(event) => {
        event.preventDefault();
        navigate(href);
      }}
    >
      {children}
    </Link>
  );
}
