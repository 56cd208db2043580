// The bar: search, region, account, light or dark.

import { Autosuggest, Button, FormField, Input, Modal, SpaceBetween, TopNavigation } from '@cloudscape-design/components';
import { useState } from 'react';
import { useNavigate } from 'react-router-dom';
import { useLive } from '../aws/live';
import { chooseAccount, chooseRegion, knownAccounts, signOut, useSession } from '../aws/session';
import { services } from '../services';
import { REGIONS } from './regions';
import { toggleMode, useIsDark } from './theme';

export function Bar() {
  const session = useSession();
  const navigate = useNavigate();
  const dark = useIsDark();
  const [other, setOther] = useState(false);
  if (!session) return null;
  const accounts = knownAccounts().map((id) => ({ id: `account:${id}`, text: id, iconName: id === session.account ? ('check' as const) : undefined }));
  const choose = (id: string) => {
    if (id === 'other') setOther(true);
    else if (id === 'out') signOut();
    else if (id.startsWith('account:')) {
      chooseAccount(id.slice('account:'.length));
      navigate('/');
    }
  };
  return (
    <>
      <TopNavigation
        identity={{
          href: '/console',
          logo: { src: '/console/wordmark.svg', alt: 'Neargate' },
          onFollow: (event) => {
            event.preventDefault();
            navigate('/');
          },
        }}
        search={<Search />}
        utilities={[
          {
            type: 'button',
            text: dark ? 'Light' : 'Dark',
            title: dark ? 'Light mode' : 'Dark mode',
            onClick: toggleMode,
          },
          {
            type: 'menu-dropdown',
            text: session.region,
            title: 'Region',
            ariaLabel: `Region ${session.region}`,
            items: REGIONS.map(([id, text]) => ({ id, text: `${text} ${id}` })),
            onItemClick: ({ detail }) => chooseRegion(detail.id),
          },
          {
            type: 'menu-dropdown',
            text: session.account,
            description: session.arn,
            iconName: 'user-profile',
            ariaLabel: `Account ${session.account}`,
            items: session.free
              ? [{ id: 'accounts', text: 'Accounts', items: accounts }, { id: 'other', text: 'Another account' }]
              : [{ id: 'out', text: 'Sign out' }],
            onItemClick: ({ detail }) => choose(detail.id),
          },
        ]}
        i18nStrings={{ searchIconAriaLabel: 'Search', overflowMenuTriggerText: 'More', overflowMenuTitleText: 'All', overflowMenuBackIconAriaLabel: 'Back', overflowMenuDismissIconAriaLabel: 'Close', searchDismissIconAriaLabel: 'Close search' }}
      />
      {other && <OtherAccount onDone={() => setOther(false)} />}
    </>
  );
}

function OtherAccount({ onDone }: { onDone: () => void }) {
  const [account, setAccount] = useState('');
  const good = /^\d{12}$/.test(account);
  const navigate = useNavigate();
  return (
    <Modal
      visible
      onDismiss={onDone}
      header="Another account"
      footer={
        <SpaceBetween size="xs" direction="horizontal">
          <Button onClick={onDone}>Cancel</Button>
          <Button
            variant="primary"
            disabled={!good}
            onClick={() => {
              chooseAccount(account);
              navigate('/');
              onDone();
            }}
          >
            Switch
          </Button>
        </SpaceBetween>
      }
    >
      <FormField label="Account ID" description="Twelve digits. In development mode every account is there as soon as it is used." errorText={account && !good ? 'An account ID has twelve digits.' : undefined}>
        <Input value={account} onChange={({ detail }) => setAccount(detail.value)} inputMode="numeric" />
      </FormField>
    </Modal>
  );
}

/** Finds pages and what there is, by name. */
function Search() {
  const [text, setText] = useState('');
  const [used, setUsed] = useState(false);
  const navigate = useNavigate();
  const { data: found, loading } = useLive(
    used ? ['search'] : undefined,
    async () => {
      const all = await Promise.allSettled(services.map((service) => service.search?.() ?? []));
      return all.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    },
    10_000,
  );
  const pages = services.flatMap((service) => service.links.map((link) => ({ kind: service.name, name: link.text, href: link.href })));
  const options = (all: { kind: string; name: string; href: string }[]) =>
    all
      .filter((one) => `${one.kind} ${one.name}`.toLowerCase().includes(text.trim().toLowerCase()))
      .slice(0, 30)
      .map((one) => ({ value: one.href, label: one.name, description: one.kind }));
  return (
    <Autosuggest
      value={text}
      onChange={({ detail }) => setText(detail.value)}
      onFocus={() => setUsed(true)}
      onSelect={({ detail }) => {
        if (detail.value.startsWith('/')) {
          navigate(detail.value);
          setText('');
        }
      }}
      filteringType="manual"
      options={[
        { label: 'Resources', options: options(found ?? []) },
        { label: 'Pages', options: options(pages) },
      ].filter((group) => group.options.length > 0)}
      statusType={loading ? 'loading' : 'finished'}
      loadingText="Looking"
      empty="Nothing of that name"
      placeholder="Search services, tasks, load balancers, log groups"
      ariaLabel="Search"
      enteredTextLabel={(value) => `Search for ${value}`}
    />
  );
}
