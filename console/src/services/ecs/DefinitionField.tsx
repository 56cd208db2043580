// The task definition of what is started: a family's newest revision.

import { FormField, Select } from '@cloudscape-design/components';
import { useLive } from '../../aws/live';
import { To } from '../../parts/To';
import { families } from './ask';

export function DefinitionField({ value, onChange }: { value: string; onChange: (family: string) => void }) {
  const { data, loading } = useLive(['ecs', 'families'], families, 5000);
  return (
    <FormField
      label="Task definition"
      description={
        <>
          Its newest revision is taken. <To href="/ecs/task-definitions/create">Create a task definition</To>
        </>
      }
    >
      <Select
        selectedOption={value ? { value, label: value } : null}
        options={(data ?? []).map((family) => ({ value: family, label: family }))}
        filteringType="auto"
        placeholder="Choose a family"
        statusType={loading ? 'loading' : 'finished'}
        empty="There is no task definition yet."
        onChange={({ detail }) => onChange(detail.selectedOption.value ?? '')}
      />
    </FormField>
  );
}
