import { Button } from '@cloudscape-design/components';
import { act } from '../../app/notices';
import { codeBuild } from '../../aws/clients';
import { below, listPage } from '../../parts/listing';
import { time } from '../../parts/names';
import { projects } from './ask';

export default listPage({
  title: 'Build projects',
  noun: 'Project',
  key: 'codebuild-projects',
  list: projects,
  id: (p) => p.name ?? '',
  href: (p) => below('/codebuild', p.name),
  columns: [
    { header: 'Source', cell: (p) => `${p.source?.type} ${p.source?.location ?? ''}`, by: (p) => p.source?.location, width: 280 },
    { header: 'Image', cell: (p) => p.environment?.image, by: (p) => p.environment?.image, width: 240 },
    { header: 'Changed', cell: (p) => time(p.lastModified), by: (p) => p.lastModified?.getTime(), width: 180 },
  ],
  more: ([project]) => (
    <Button disabled={!project} onClick={() => void act(`Start build of ${project.name}`, () => codeBuild.startBuild({ projectName: project.name }))}>
      Start build
    </Button>
  ),
  create: {
    verb: 'Create project',
    fields: [
      { name: 'name', label: 'Name' },
      { name: 'image', label: 'Image' },
      { name: 'serviceRole', label: 'Service role', hint: 'Its ARN.' },
      { name: 'buildspec', label: 'Buildspec', kind: 'long', value: 'version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n' },
    ],
    go: ({ name, image, serviceRole, buildspec }) =>
      codeBuild.createProject({
        name,
        serviceRole,
        source: { type: 'NO_SOURCE', buildspec },
        artifacts: { type: 'NO_ARTIFACTS' },
        environment: { type: 'LINUX_CONTAINER', computeType: 'BUILD_GENERAL1_SMALL', image },
      }),
  },
  remove: { consequence: 'Its builds go with it.', go: (p) => codeBuild.deleteProject({ name: p.name }) },
});
