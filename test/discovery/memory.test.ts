// Discovery in memory: the law, which is all there is to it.
import { MemoryDiscovery } from '../../src/discovery/memory/index.ts'
import { memoryHub } from '../../src/transport/memory/hub.ts'
import { discoveryCompliance } from '../compliance/discovery.ts'

discoveryCompliance({
  name: 'memory',
  setup() {
    const hub = memoryHub()
    return { open: () => new MemoryDiscovery(hub), close() {} }
  },
})
