// A table of what there is: found, sorted and paged in the browser, with ten thousand rows as with ten.

import { useCollection } from '@cloudscape-design/collection-hooks';
import { Box, Header, Pagination, SpaceBetween, Table, type TableProps, TextFilter } from '@cloudscape-design/components';
import { type ReactNode, useEffect, useState } from 'react';
import type { Live } from '../aws/live';

export interface Column<T> {
  header: string;
  cell: (item: T) => ReactNode;
  /** What it is sorted by, and found by. */
  by?: (item: T) => string | number | undefined;
  width?: number;
}

/** So many rows are found by looking at them. */
const FEW = 5;

interface Props<T> {
  title: string;
  /** A page's only table. */
  full?: boolean;
  description?: ReactNode;
  live: Live<T[]>;
  columns: Column<T>[];
  id: (item: T) => string;
  actions?: ReactNode | ((chosen: T[]) => ReactNode);
  choose?: 'single' | 'multi';
  /** Told of what is chosen. */
  onChoose?: (chosen: T[]) => void;
  empty?: ReactNode;
  size?: number;
  filter?: ReactNode;
}

export function Rows<T>({ title, full, description, live, columns, id, actions, choose, onChoose, empty, size = 50, filter }: Props<T>) {
  const [chosenIds, setChosenIds] = useState<string[]>([]);
  const none = (
    <Box textAlign="center" color="inherit" padding={{ vertical: 'm' }}>
      {empty ?? 'There is nothing here yet.'}
    </Box>
  );
  const { items, collectionProps, filterProps, paginationProps, filteredItemsCount, actions: does } = useCollection(live.data ?? [], {
    filtering: {
      empty: none,
      noMatch: <Box textAlign="center">Nothing matches.</Box>,
      filteringFunction: (item, text) => {
        const wanted = text.trim().toLowerCase();
        return !wanted || columns.some(({ by }) => String(by?.(item) ?? '').toLowerCase().includes(wanted));
      },
    },
    pagination: { pageSize: size },
    sorting: {},
  });
  const all = live.data ?? [];
  const chosen = choose ? all.filter((item) => chosenIds.includes(id(item))) : [];
  useEffect(() => {
    // What has gone is no longer chosen.
    if (chosenIds.length > chosen.length) setChosenIds(chosen.map(id));
  }, [chosenIds.length, chosen.length]);
  const definitions: TableProps.ColumnDefinition<T>[] = columns.map(({ header, cell, by, width }, at) => ({
    id: header,
    header,
    cell,
    minWidth: width ?? 110,
    isRowHeader: at === 0,
    sortingComparator: by && ((a: T, b: T) => compare(by(a), by(b))),
  }));
  const count = filterProps.filteringText ? `(${filteredItemsCount}/${all.length})` : `(${all.length})`;
  return (
    <Table
      {...collectionProps}
      items={items}
      columnDefinitions={definitions}
      trackBy={id}
      variant={full ? 'full-page' : 'container'}
      stickyHeader={full}
      wrapLines
      loading={live.loading}
      loadingText="Loading"
      selectionType={choose}
      selectedItems={chosen}
      onSelectionChange={({ detail }) => {
        setChosenIds(detail.selectedItems.map(id));
        onChoose?.(detail.selectedItems);
      }}
      ariaLabels={{
        tableLabel: title,
        selectionGroupLabel: 'Selection',
        allItemsSelectionLabel: () => 'Select all',
        itemSelectionLabel: (_, item) => `Select ${id(item)}`,
      }}
      header={
        <Header
          variant={full ? 'awsui-h1-sticky' : 'h2'}
          counter={live.data ? count : undefined}
          description={description}
          actions={
            <SpaceBetween size="xs" direction="horizontal">
              {typeof actions === 'function' ? actions(chosen) : actions}
            </SpaceBetween>
          }
        >
          {title}
        </Header>
      }
      filter={
        all.length > FEW || filterProps.filteringText || filter ? (
          <SpaceBetween size="xs" direction="horizontal">
            {filter}
            <TextFilter
              {...filterProps}
              onChange={(event) => {
                filterProps.onChange(event);
                does.setCurrentPage(1);
              }}
              filteringPlaceholder="Find"
              filteringAriaLabel={`Find in ${title}`}
              filteringClearAriaLabel="Clear"
            />
          </SpaceBetween>
        ) : undefined
      }
      pagination={
        all.length > size ? (
          <Pagination
            {...paginationProps}
            ariaLabels={{ nextPageLabel: 'Next page', previousPageLabel: 'Previous page', pageLabel: (n) => `Page ${n}` }}
          />
        ) : undefined
      }
    />
  );
}

function compare(a: string | number | undefined, b: string | number | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a ?? '').localeCompare(String(b ?? ''), undefined, { numeric: true });
}
