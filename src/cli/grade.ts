/** `ringside grade`: holds the answer in a lab's folder against the lab's checks. */
import { gradeLab } from '../labs/grade';
import { gradeReport } from '../labs/report';
import { type Command, ExitStatus } from './command';
import { onlyFile } from './run';

export const gradeCommand: Command = {
  name: 'grade',
  operands: 'DIR',
  help: 'grade the answer in a lab folder',
  options: [
    { name: 'answer', value: 'FILE', help: 'grade this file instead of the one in the folder' },
    { name: 'json', help: 'print the grade as one JSON object' },
  ],
  async run(context, options) {
    const folder = context
      .absolute(onlyFile(options, 'the lab folder, for example labs/01-rings'))
      .replace(/[\\/]+$/, '');
    const answer = options.option('answer');
    const grade = await gradeLab(
      {
        folder,
        ...(answer === undefined ? {} : { answer: context.absolute(answer) }),
        ...(context.interpreter === undefined ? {} : { interpreter: context.interpreter }),
      },
      context.files,
    );
    if ('problems' in grade) {
      for (const problem of grade.problems) context.err(`${problem}\n`);
      return ExitStatus.usage;
    }
    context.out(options.option('json') === undefined ? `${gradeReport(grade)}\n` : `${JSON.stringify(grade)}\n`);
    return grade.passed ? ExitStatus.ok : ExitStatus.failed;
  },
};
