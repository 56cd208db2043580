// A link within the console, which opens without a load.

import { Link, type LinkProps } from '@cloudscape-design/components';
import type { ReactNode } from 'react';
import { useNavigate } from 'react-router-dom';

export function To({ href, children, variant, size }: { href: string; children: ReactNode; variant?: LinkProps.Variant; size?: LinkProps.FontSize }) {
  const navigate = useNavigate();
  return (
    <Link
      href={`/console${href}`}
      variant={variant}
      fontSize={size}
      onFollow={(event) => {
        event.preventDefault();
        navigate(href);
      }}
    >
      {children}
    </Link>
  );
}
