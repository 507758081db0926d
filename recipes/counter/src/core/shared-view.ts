import { ReplaySubject, share, type Observable } from 'rxjs';

/** One subscription for all: made with the first, replaying the latest, ended with the last. */
export function sharedView<T>(source: Observable<T>): Observable<T> {
  return source.pipe(
    share({
      connector: () => new ReplaySubject<T>(1),
      resetOnError: true,
      resetOnComplete: true,
      resetOnRefCountZero: true,
    }),
  );
}
