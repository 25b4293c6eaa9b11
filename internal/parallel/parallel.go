// SPDX-License-Identifier: Apache-2.0

// Package parallel spreads work on many items of a list over all cores. Reading manifests and judging them both do it; the
// package imports nothing of this module.
package parallel

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Do calls f for 0 to n-1, on several goroutines, and returns when all calls have returned. When ctx is done, it makes no more
// calls and returns the error of ctx.
func Do(ctx context.Context, n int, f func(int)) error {
	const stride = 64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n/stride+1) {
		wg.Go(func() {
			for ctx.Err() == nil {
				end := int(next.Add(stride))
				if end-stride >= n {
					return
				}
				for i := end - stride; i < min(end, n); i++ {
					f(i)
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
