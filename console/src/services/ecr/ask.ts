import { ecr } from '../../aws/clients';
import { everything, inPieces } from '../../aws/live';

export function repositories() {
  return everything(async (nextToken) => {
    const page = await ecr.describeRepositories({ nextToken, maxResults: 1000 });
    return { items: page.repositories, next: page.nextToken };
  });
}

export async function images(repositoryName: string) {
  return everything(async (nextToken) => {
    const page = await ecr.describeImages({ repositoryName, nextToken, maxResults: 1000 });
    return { items: page.imageDetails, next: page.nextToken };
  });
}

interface Manifest {
  config?: { digest: string; size: number };
  layers?: { digest: string; size: number; mediaType: string }[];
  manifests?: { digest: string; size: number; platform?: { os: string; architecture: string } }[];
}

/** What an image is made of: its layers, or the images of its platforms. */
export async function manifest(repositoryName: string, imageDigest: string): Promise<Manifest> {
  const [image] = await inPieces([imageDigest], 1, async () => (await ecr.batchGetImage({ repositoryName, imageIds: [{ imageDigest }] })).images);
  return JSON.parse(image?.imageManifest ?? '{}') as Manifest;
}
