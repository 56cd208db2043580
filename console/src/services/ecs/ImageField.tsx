// The image of a container: one of this account's repositories, or any other by its name.

import { Autosuggest, FormField } from '@cloudscape-design/components';
import { ecr } from '../../aws/clients';
import { everything, useLive } from '../../aws/live';

export function ImageField({ value, onChange }: { value: string; onChange: (image: string) => void }) {
  const { data, loading } = useLive(
    ['ecr', 'image-names'],
    async () => {
      const repositories = await everything(async (nextToken) => {
        const page = await ecr.describeRepositories({ nextToken });
        return { items: page.repositories, next: page.nextToken };
      });
      const tags = await Promise.all(
        repositories.slice(0, 50).map(async ({ repositoryName, repositoryUri }) => {
          const { imageIds } = await ecr.listImages({ repositoryName, filter: { tagStatus: 'TAGGED' }, maxResults: 50 });
          return (imageIds ?? []).map(({ imageTag }) => `${repositoryUri}:${imageTag}`);
        }),
      );
      return tags.flat();
    },
    5000,
  );
  return (
    <FormField label="Image" description="An image of a repository here, or any that the node can pull.">
      <Autosuggest
        value={value}
        onChange={({ detail }) => onChange(detail.value)}
        options={(data ?? []).map((image) => ({ value: image }))}
        statusType={loading ? 'loading' : 'finished'}
        empty="No repository has an image yet."
        placeholder="public.ecr.aws/docker/library/nginx:latest"
        enteredTextLabel={(text) => `Use ${text}`}
        ariaLabel="Image"
      />
    </FormField>
  );
}
