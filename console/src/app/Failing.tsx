// A page that breaks says so; the rest of the console goes on.

import { Alert, Button } from '@cloudscape-design/components';
import { Component, type ReactNode } from 'react';

export class Failing extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  render() {
    if (!this.state.error) return this.props.children;
    return (
      <Alert
        type="error"
        header="This page cannot be shown"
        action={<Button onClick={() => location.reload()}>Reload</Button>}
      >
        {this.state.error.message}
      </Alert>
    );
  }
}
