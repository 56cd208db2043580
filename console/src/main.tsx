import '@cloudscape-design/global-styles/index.css';
import './app/page.css';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import { Entrance } from './app/Entrance';
import { queries } from './aws/live';

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <BrowserRouter basename="/console" future={{ v7_startTransition: true, v7_relativeSplatPath: true }}>
          <Entrance />
        </BrowserRouter>
      </QueryClientProvider>
    </StrictMode>,
  );
}
