// A form in a dialog: its fields are data, and what it does is one call.

import { Button, FormField, Input, Modal, Select, SpaceBetween, Textarea, Toggle } from '@cloudscape-design/components';
import { useState } from 'react';
import { act } from '../app/notices';

export interface Field {
  name: string;
  label: string;
  hint?: string;
  kind?: 'text' | 'number' | 'long' | 'json' | 'toggle' | 'secret' | { options: string[] };
  value?: string;
  optional?: boolean;
}

export type Values = Record<string, string>;

interface Props {
  /** On the button. */
  verb: string;
  title: string;
  fields: Field[];
  primary?: boolean;
  disabled?: boolean;
  /** What is said when it is done. */
  what?: (values: Values) => string;
  action: (values: Values) => Promise<unknown>;
  onDone?: (values: Values) => void;
}

export function Ask({ verb, title, fields, primary, disabled, what, action, onDone }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button variant={primary ? 'primary' : 'normal'} disabled={disabled} onClick={() => setOpen(true)}>
        {verb}
      </Button>
      {open && <Dialog {...{ verb, title, fields, what, action, onDone }} onClose={() => setOpen(false)} />}
    </>
  );
}

function Dialog({ verb, title, fields, what, action, onDone, onClose }: Props & { onClose: () => void }) {
  const [values, setValues] = useState<Values>(() => Object.fromEntries(fields.map((f) => [f.name, f.value ?? ''])));
  const [busy, setBusy] = useState(false);
  const wrong = (field: Field): string | undefined => {
    const value = values[field.name];
    if (field.kind !== 'json' || !value.trim()) return undefined;
    try {
      JSON.parse(value);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const complete = fields.every((f) => f.optional || f.kind === 'toggle' || values[f.name].trim()) && !fields.some(wrong);
  const go = async () => {
    setBusy(true);
    const done = await act(what?.(values) ?? title, async () => {
      await action(values);
      return true;
    });
    setBusy(false);
    onClose();
    if (done) onDone?.(values);
  };
  return (
    <Modal
      visible
      size={fields.some((f) => f.kind === 'json' || f.kind === 'long') ? 'large' : 'medium'}
      onDismiss={onClose}
      header={title}
      footer={
        <SpaceBetween size="xs" direction="horizontal">
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" loading={busy} disabled={!complete} onClick={() => void go()}>
            {verb}
          </Button>
        </SpaceBetween>
      }
    >
      <SpaceBetween size="m">
        {fields.map((field) => (
          <FormField
            key={field.name}
            label={field.optional ? `${field.label} – optional` : field.label}
            description={field.hint}
            errorText={wrong(field)}
          >
            <Entry field={field} value={values[field.name]} onChange={(value) => setValues({ ...values, [field.name]: value })} />
          </FormField>
        ))}
      </SpaceBetween>
    </Modal>
  );
}

function Entry({ field, value, onChange }: { field: Field; value: string; onChange: (value: string) => void }) {
  const { kind } = field;
  if (kind === 'toggle') {
    return (
      <Toggle checked={value === 'true'} onChange={({ detail }) => onChange(String(detail.checked))} ariaLabel={field.label}>
        {value === 'true' ? 'Yes' : 'No'}
      </Toggle>
    );
  }
  if (kind === 'long' || kind === 'json') {
    return (
      <div className="mono">
        <Textarea value={value} rows={kind === 'json' ? 14 : 5} spellcheck={false} onChange={({ detail }) => onChange(detail.value)} />
      </div>
    );
  }
  if (typeof kind === 'object') {
    return (
      <Select
        selectedOption={value ? { value, label: value } : null}
        options={kind.options.map((option) => ({ value: option, label: option }))}
        filteringType={kind.options.length > 8 ? 'auto' : 'none'}
        placeholder="Choose"
        empty="There is nothing to choose."
        onChange={({ detail }) => onChange(detail.selectedOption.value ?? '')}
      />
    );
  }
  return (
    <Input
      type={kind === 'number' ? 'number' : kind === 'secret' ? 'password' : 'text'}
      value={value}
      autoComplete={false}
      onChange={({ detail }) => onChange(detail.value)}
    />
  );
}
