import { ServiceUnavailableException } from '@nestjs/common';

const ANSWER_MS = 5_000;

/** What is read from the ensemble. @throws {ServiceUnavailableException} It does not answer in time. */
export async function answered<T>(reading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new ServiceUnavailableException(`the ensemble did not answer within ${ANSWER_MS} ms`));
    }, ANSWER_MS);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}
