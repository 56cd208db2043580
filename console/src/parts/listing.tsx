// Pages that list and pages that show one thing, of which a service says only what is its own.

import { SpaceBetween } from '@cloudscape-design/components';
import type { ComponentType, ReactNode } from 'react';
import { useNavigate, useParams } from 'react-router-dom';
import { useLive } from '../aws/live';
import { Ask, type Field, type Values } from './Ask';
import { Confirm } from './Confirm';
import { Facts, Json } from './Facts';
import { type Crumb, Page } from './Page';
import { PageTabs } from './PageTabs';
import { type Column, Rows } from './Rows';
import { To } from './To';

interface Creation {
  /** `Create queue`. */
  verb: string;
  fields: Field[];
  go: (values: Values) => Promise<unknown>;
}

interface Listing<T> {
  title: string;
  key: string;
  list: () => Promise<T[]>;
  id: (item: T) => string;
  /** What it is called, if its id is not its name. */
  name?: (item: T) => string;
  href?: (item: T) => string;
  /** The first column's header. */
  noun: string;
  columns: Column<T>[];
  create?: Creation;
  remove?: { verb?: string; consequence?: string; go: (item: T) => Promise<unknown> };
  more?: (chosen: T[]) => ReactNode;
  empty?: string;
  everyMillis?: number;
  /** Above the table. */
  note?: ReactNode;
}

export function listPage<T>(spec: Listing<T>): ComponentType {
  return function ListPage() {
    return <List {...spec} full />;
  };
}

export function List<T>(spec: Listing<T> & { full?: boolean }) {
  const live = useLive([spec.key], spec.list, spec.everyMillis);
  const name = spec.name ?? spec.id;
  const first: Column<T> = {
    header: spec.noun,
    cell: (item) => (spec.href ? <To href={spec.href(item)}>{name(item)}</To> : name(item)),
    by: name,
    width: 190,
  };
  const { create, remove, more } = spec;
  const table = (
    <Rows
      full={spec.full}
      title={spec.title}
      live={live}
      id={spec.id}
      choose={remove || more ? 'single' : undefined}
      empty={spec.empty}
      columns={[first, ...spec.columns]}
      actions={(chosen) => (
        <>
          {remove && (
            <Confirm
              verb={remove.verb ?? 'Delete'}
              what={chosen[0] ? name(chosen[0]) : ''}
              disabled={chosen.length === 0}
              consequence={remove.consequence}
              action={() => remove.go(chosen[0])}
            />
          )}
          {more?.(chosen)}
          {create && <Ask primary verb={create.verb} title={create.verb} fields={create.fields} action={create.go} />}
        </>
      )}
    />
  );
  if (!spec.full) return table;
  return (
    <Page title={spec.title} bare error={live.error}>
      {spec.note}
      {table}
    </Page>
  );
}

interface Detail<T> {
  /** Where the list is. */
  from: Crumb;
  key: string;
  get: (id: string) => Promise<T | undefined>;
  title?: (item: T | undefined, id: string) => string;
  facts: (item: T) => [label: string, value: ReactNode][];
  tabs?: (item: T, id: string) => { id: string; label: string; content: ReactNode }[];
  actions?: (item: T, id: string, leave: () => void) => ReactNode;
}

/** The page of one thing, whose id is the address's `:id`. */
export function detailPage<T>(spec: Detail<T>): ComponentType {
  return function DetailPage() {
    const { id = '' } = useParams();
    const navigate = useNavigate();
    const { data, error } = useLive([spec.key, id], () => spec.get(id));
    const tabs = data ? [...(spec.tabs?.(data, id) ?? []), { id: 'json', label: 'JSON', content: <Json value={data} /> }] : [];
    return (
      <Page
        title={spec.title?.(data, id) ?? id}
        crumbs={[spec.from]}
        error={error}
        actions={
          data && (
            <SpaceBetween size="xs" direction="horizontal">
              {spec.actions?.(data, id, () => navigate(spec.from[1]))}
            </SpaceBetween>
          )
        }
      >
        {data && <Facts facts={spec.facts(data)} />}
        {data && <PageTabs label={spec.from[0]} tabs={tabs} />}
      </Page>
    );
  };
}

/** The address of one thing below its list. */
export const below = (list: string, id: string | undefined) => `${list}/${encodeURIComponent(id ?? '')}`;
