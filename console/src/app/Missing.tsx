import { Alert } from '@cloudscape-design/components';
import { useLocation } from 'react-router-dom';

export default function Missing() {
  const { pathname } = useLocation();
  return (
    <Alert type="warning" header="There is no such page">
      The console has no page at {pathname}.
    </Alert>
  );
}
