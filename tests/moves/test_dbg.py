from collections import Counter
import sys,time
from hypothesis import Phase
def test_dbg(new_pool):
    m = sys.modules["tests.moves.test_machine"]
    C=Counter(); seqs=[]
    class J(m.Jobs):
        def __init__(self,np):
            super().__init__(np); seqs.append([])
        def act(self,mine,move,*d,**k):
            a=super().act(mine,move,*d,**k); seqs[-1].append((move,type(a).__name__)); C[move,type(a).__name__]+=1
            return a
    m_run=m.Jobs; m.Jobs=J; t=time.perf_counter()
    try: m.run(new_pool,max_examples=80,phases=[Phase.generate])
    finally: m.Jobs=m_run
    print(time.perf_counter()-t,len(seqs), sorted(Counter(len(s) for s in seqs).items())); 
    for k,v in sorted(C.items()): print(k,v)
